"""nginx as it stands in front of a service: TLS, HTTP/2 and HTTP/1.1, gzip switched on for whoever
asks, WebSocket upgraded and gRPC passed on to servers of Python."""

import os
import subprocess

import interop

interop.need("nginx")

CONFIG = """
daemon off; worker_processes 1; error_log {work}/nginx-error.log; pid {work}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log {work}/nginx-access.log combined;
  log_format asked '$server_protocol $request_method $status encoding=[$http_accept_encoding] '
                   'te=[$http_te] ssl=$ssl_protocol';
  client_body_temp_path {work}/nginx-body; proxy_temp_path {work}/nginx-proxy;
  fastcgi_temp_path {work}/nginx-f; uwsgi_temp_path {work}/nginx-u; scgi_temp_path {work}/nginx-s;
  gzip on; gzip_types *; gzip_min_length 1; gzip_http_version 1.0;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {cert}; ssl_certificate_key {key};
    access_log {work}/asked.log asked;
    location / {{
      proxy_pass {backend}; proxy_http_version 1.1; proxy_buffering off; proxy_read_timeout 60s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_up;
    }}
    location /firehose_api_v1.Firehose {{ grpc_pass {grpc}; grpc_read_timeout 60s; }}
  }}
  map $http_upgrade $connection_up {{ default upgrade; '' ''; }}
}}
"""


class Nginx:
    def __init__(self, backend="http://127.0.0.1:1", grpc="grpc://127.0.0.1:1"):
        key, cert = interop.certificate()
        self.port = interop.port()
        self.url = f"https://127.0.0.1:{self.port}"
        path = os.path.join(interop.WORK, f"nginx-{self.port}.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(work=interop.WORK, port=self.port, cert=cert, key=key,
                                     backend=backend, grpc=grpc))
        self.process = interop.start("nginx", "-c", path, "-p", interop.WORK)
        interop.wait_port(self.port)

    def asked(self):
        """What was asked for, after nginx has ended."""
        self.process.terminate()
        self.process.wait(60)
        name = os.path.join(interop.WORK, "asked.log")
        with open(name, encoding="utf-8") as file:
            lines = file.read().splitlines()
        os.unlink(name)
        return lines


def version():
    done = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
    return done.stderr.strip()
