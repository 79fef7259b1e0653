#!/usr/bin/env bash
# Writes docker/requirements.lock (what the image installs, each file by its hash) and docker/sbom.cdx.json (CycloneDX:
# what that is, with licenses) anew from pyproject.toml and constraints.txt. Run it after either has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/tools"
"$work/tools/bin/pip" install -q uv cyclonedx-bom
"$work/tools/bin/uv" pip compile pyproject.toml -c constraints.txt --generate-hashes --universal --python-version 3.11 \
    --no-header --no-annotate -q -o docker/requirements.lock > /dev/null

python3 -m venv "$work/image"
"$work/image/bin/pip" install -q --require-hashes -r docker/requirements.lock
"$work/image/bin/pip" install -q --no-deps .
"$work/image/bin/pip" uninstall -q -y setuptools pip 2> /dev/null
"$work/tools/bin/cyclonedx-py" environment --pyproject pyproject.toml --output-reproducible --short-PURLs \
    -o docker/sbom.cdx.json "$work/image"
