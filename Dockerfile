# A machine that builds and verifies images: `make image` works inside, as an ordinary user, without network privileges.
#
#   docker build -t imagebuild .
#   docker run --rm -v imagebuild-cache:/home/builder/.cache -v "$PWD/out:/home/builder/imagebuild/out" \
#       --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
#       imagebuild make image
#
# docs/how-to/nightly.md says what each of these options is for, and how podman spells them.
#
# Pinned by its point release. A digest pins better; it is not written here because this file is tested where no
# container registry can be reached. Give it yourself:  --build-arg DEBIAN=docker.io/library/debian@sha256:…
ARG DEBIAN=docker.io/library/debian:13.8-slim
FROM ${DEBIAN}

# make(1) calls the rest; certificates are for PyPI, setcap(8) for the step below. The packages themselves stand in
# .ci/debian-packages, the one list.
ENV IMAGEBUILD_EXTRAS=nightly
COPY .ci /home/builder/imagebuild/.ci
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates libcap2-bin make \
    && /home/builder/imagebuild/.ci/setup --packages-only \
    && apt-get clean && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log

# The user's sub-uids (subuid(5), given by useradd) keep the owners of a root tree apart without root. newuidmap is setuid
# root in Debian, and a container's root may not write uid_map; with the file's own capability it runs as the user, who may
# (user_namespaces(7), "Defining user and group ID mappings").
RUN chmod u-s /usr/bin/newuidmap /usr/bin/newgidmap \
    && setcap cap_setuid=ep /usr/bin/newuidmap && setcap cap_setgid=ep /usr/bin/newgidmap \
    && useradd --uid 1000 --create-home --shell /bin/bash builder \
    && mkdir -p /home/builder/.cache /home/builder/imagebuild/out \
    && chown -R builder:builder /home/builder
USER builder
WORKDIR /home/builder/imagebuild

# The Python packages change seldom, the code often: each has its layer. Of the code, setup needs only the version.
COPY --chown=builder:builder pyproject.toml README.md ./
COPY --chown=builder:builder imagebuild/__init__.py imagebuild/
RUN PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1 .ci/setup

COPY --chown=builder:builder Makefile LICENSE SECURITY.md CONTRIBUTING.md CHANGELOG.md ./
COPY --chown=builder:builder recipes recipes
COPY --chown=builder:builder imagebuild imagebuild
ENV PATH=/home/builder/imagebuild/.venv/bin:$PATH
CMD ["imagebuild", "doctor"]
