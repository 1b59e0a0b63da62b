"""Signing in: from an account's options to the address of its storage and a token."""

from __future__ import annotations

import logging

from attrs import field, frozen
from keystoneauth1 import exceptions as identity
from keystoneauth1 import session as sessions
from keystoneauth1.identity import V2Password, V3ApplicationCredential, V3Password
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.identity.generic import Password
from swiftclient import client
from swiftclient.exceptions import ClientException

from thplugins_publish_swift.failure import failure
from thplugins_publish_swift.options import PublishSwiftOptions

# It tells each request that is refused, with the beginning of the token.
logging.getLogger("swiftclient").setLevel(logging.WARNING)


@frozen
class Access:
    """Where the account's storage is, and the token that opens it for some hours."""

    url: str
    token: str = field(repr=False)


def sign_in(options: PublishSwiftOptions) -> Access:
    """Ask for a token.

    Raises InfrastructureError when the account's user is not let in; what may pass is raised as the libraries have it.
    """
    try:
        url, token = _v1(options) if options.version == 1 else _keystone(options)
    except (identity.Unauthorized, identity.Forbidden) as error:
        raise _refused(options, error.http_status) from error
    except identity.EndpointNotFound:
        url, token = None, None
    except (identity.DiscoveryFailure, identity.NotFound) as error:
        raise failure(f"{options.auth_url} is no identity service that we understand: {error}") from error
    except ClientException as error:
        if error.http_status in {401, 403}:
            raise _refused(options, error.http_status) from error
        raise
    if not url or not token:
        where = "" if options.region is None else f" in the region {options.region}"
        raise failure(f"{options.auth_url} knows of no {options.interface} object store{where}; check region")
    return Access(url.rstrip("/"), token)


def _v1(options: PublishSwiftOptions) -> tuple[str | None, str | None]:
    password = "" if options.password is None else options.password.reveal()
    ca_file = None if options.ca_file is None else str(options.ca_file)
    url, token = client.get_auth_1_0(
        options.auth_url, options.user, password, cacert=ca_file, timeout=float(options.timeout)
    )
    return url, token


def _keystone(options: PublishSwiftOptions) -> tuple[str | None, str | None]:
    verify = True if options.ca_file is None else str(options.ca_file)
    session = sessions.Session(_plugin(options), verify=verify, timeout=float(options.timeout))
    token = session.get_token()
    url = session.get_endpoint(
        service_type="object-store", interface=options.interface, region_name=options.region, skip_discovery=True
    )
    return url, token


def _plugin(options: PublishSwiftOptions) -> BaseIdentityPlugin:
    url, secret = options.auth_url or "", options.application_secret
    if options.application_credential is not None and secret is not None:
        return V3ApplicationCredential(
            url,
            application_credential_id=options.application_credential,
            application_credential_secret=secret.reveal(),
        )
    password = "" if options.password is None else options.password.reveal()
    user, tenant, tenant_id = options.user, options.tenant, options.tenant_id
    if options.version == 2:
        return V2Password(url, user, password, tenant_name=tenant, tenant_id=tenant_id)
    if options.version == 3:
        return V3Password(
            url,
            password,
            username=user,
            user_domain_name=options.user_domain,
            project_name=tenant,
            project_id=tenant_id,
            project_domain_name=None if tenant is None else options.project_domain,
        )
    return Password(
        url,
        user,
        password=password,
        tenant_name=tenant,
        tenant_id=tenant_id,
        user_domain_name=options.user_domain if options.user_domain != "Default" else None,
        project_domain_name=options.project_domain if options.project_domain != "Default" else None,
        default_domain_name="Default",
    )


def _refused(options: PublishSwiftOptions, status: int | None) -> Exception:
    who = options.application_credential or options.user
    return failure(
        f"{options.auth_url} does not let {who} in (status {status}); check {_what(options)}, then reload the worker"
    )


def _what(options: PublishSwiftOptions) -> str:
    if options.application_credential is not None:
        return "the application credential and its secret"
    return "user and password" if options.version == 1 else "user, password, tenant and domains"
