#!/bin/sh
# Fetches the images that compose.yaml names by tag, and prints them by digest: `sh pin.sh >> .env` pins them.
set -eu
pin() {
    docker pull --quiet "$2" >&2
    echo "$1=$(docker image inspect --format '{{index .RepoDigests 0}}' "$2")"
}
pin POSTGRES_IMAGE postgres:18.1
pin CADDY_IMAGE caddy:2.10.2
pin PYTHON_IMAGE python:3.12.12-slim
