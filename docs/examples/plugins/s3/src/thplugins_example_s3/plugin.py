"""The hooks that this plugin implements."""

from __future__ import annotations

from thcore.hooks import Build, hookimpl
from thcore.model import BuildRequest, Outcome, Publication

from thplugins_example_s3.options import S3Options


class S3:
    """Publishes evidence, with its pages, to S3-compatible storage."""

    @hookimpl
    def thcore_job_options(self) -> type[S3Options]:
        return S3Options

    @hookimpl
    def thcore_address(self, request: BuildRequest, options: S3Options) -> str:
        return options.address(request.log_path)

    @hookimpl
    def thcore_publish(self, build: Build, options: S3Options, outcome: Outcome) -> Publication:
        # Imported here: boto3 takes its time, and every call of the thcore command loads the plugins.
        from thplugins_example_s3 import publication
        from thplugins_example_s3.storage import Bucket

        build.check()
        publication.publish(build, Bucket.of(options), options, outcome)
        return Publication(options.address(build.log_path))


plugin = S3()
