# The page in a container, with the models of models/ in it, as user 1000 on port 7860.
#
#     docker build -t mirror . && docker run --rm -p 7860:7860 mirror
#
# It answers without any network. BASE may be any image with Python 3.11 to 3.13 and pip.
ARG BASE=python:3.12-slim
FROM ${BASE}

RUN useradd --create-home --uid 1000 user
WORKDIR /home/user/app

# Compiled here, for user 1000 may not write there: the page would compile gradio at each start, two thirds of its time
COPY requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt

COPY --chown=1000:1000 . ./
USER 1000
RUN python -m compileall -q mirror
ENV HOME=/home/user PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=4)"]
CMD ["python", "app.py"]
