"""What watches a project's migrations, inside the project's own interpreter.

Nothing in here is imported by thcore. The directory is put on the PYTHONPATH of the project's command, whose
interpreter runs ``sitecustomize``. Standard library only, in the language of Python 3.6: which Python it is, the
project decides.
"""
