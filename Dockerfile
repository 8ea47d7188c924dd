# Two images from one file.
#   app     the bot, the ingest worker, beat, migrations: no torch
#   models  the model server and the refresh worker
# docker build --target app -t phi3-expert-app .

FROM python:3.13-slim AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PHI3_HOME=/data
# Its own user, with a fixed number so that volumes keep their owner.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin phi3 \
    && install -d -o phi3 -g phi3 -m 0700 \
       /data /data/adapters /data/snapshots /data/training /data/huggingface
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY docs docs
COPY migrations migrations
COPY models models
COPY workers workers
COPY bot bot

FROM base AS app
RUN pip install -c constraints.txt '.[ingest]' && rm -rf /src/build
WORKDIR /data
USER phi3
CMD ["python", "-m", "bot"]

FROM base AS models
# For an NVIDIA GPU the default index brings CUDA builds; --build-arg TORCH_INDEX=… chooses another.
ARG TORCH_INDEX=
RUN pip install -c constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
        "$(grep '^torch==' constraints.txt)" \
    && pip install -c constraints.txt '.[models]' && rm -rf /src/build
WORKDIR /data
USER phi3
CMD ["python", "-m", "models.serve"]
