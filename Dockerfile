# The environment of every job: docker build -t conclip .   For CUDA see docs/dependencies.md.
FROM python:3.11-slim
# What stands in requirements.lock is the same for CPU and CUDA; where torch comes from decides.
ARG TORCH=https://download.pytorch.org/whl/cpu
# git: the report names the commit of the checkout.
RUN apt-get update && apt-get install --yes --no-install-recommends git && rm -rf /var/lib/apt/lists/*
COPY requirements.lock pyproject.toml README.md LICENSE /build/
COPY pipeline_lib /build/pipeline_lib
RUN pip install --no-cache-dir --constraint /build/requirements.lock --index-url "$TORCH" --no-deps torch torchvision \
 && pip install --no-cache-dir --constraint /build/requirements.lock "/build[slurm,storage,transformers]" \
 && rm -r /build
ENTRYPOINT []
