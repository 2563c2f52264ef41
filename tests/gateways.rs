//! Failures as real gateways make them: nginx and HAProxy, over HTTP/1.1 and HTTP/2. Where one is
//! not installed its test says so and passes.
#![cfg(feature = "json")]

mod support;

#[path = "gateways/process.rs"]
mod process;

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use process::{Gateway, start};
use revio_status::{Error, StatusError, StatusKind, StopReason};
use support::{
    Refused, hasty,
    wire::{Counter, Http, bounded, client},
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket},
};
use tower::{Layer, Service, ServiceExt};

const VERSIONS: [Http; 2] = [Http::One, Http::Two];

/// What is behind the gateways: nobody, a server that never answers, one that hangs up.
struct Backends {
    /// Bound and not listening: refuses, and nobody else can get the port.
    dead: TcpSocket,
    silent: u16,
    rude: u16,
}

impl Backends {
    async fn start() -> Self {
        let dead = TcpSocket::new_v4().expect("loopback");
        dead.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
        let (silent, rude) = (listen().await, listen().await);
        let ports = [&silent, &rude].map(|l| l.local_addr().expect("bound").port());
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = silent.accept().await {
                held.push(stream);
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = rude.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
            }
        });
        Self {
            dead,
            silent: ports[0],
            rude: ports[1],
        }
    }

    /// Of the dead, the silent and the rude one.
    fn ports(&self) -> [u16; 3] {
        let dead = self.dead.local_addr().expect("bound").port();
        [dead, self.silent, self.rude]
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback")
}

/// A client of one gateway, which counts its connections.
struct Caller<'a> {
    gateway: &'a Gateway,
    http: Http,
    connections: Counter,
}

impl<'a> Caller<'a> {
    fn new(gateway: &'a Gateway, http: Http) -> Self {
        Self {
            gateway,
            http,
            connections: Counter::default(),
        }
    }

    /// Sends these one after the other over one client, and says what came of each.
    async fn call<const N: usize>(&self, requests: [(Method, &str); N]) -> [Result<u16, Error>; N] {
        let connections = self.connections.clone();
        let connector = HttpConnector::new().map_request(move |uri: Uri| {
            connections.add(1);
            uri
        });
        let client = Client::builder(TokioExecutor::new())
            .http2_only(self.http == Http::Two)
            .build(connector);
        let mut service = hasty().layer(client);
        let port = self.gateway.ports[usize::from(self.http == Http::Two)];
        let mut results = Vec::new();
        for (method, path) in requests {
            let request = Request::builder()
                .method(method)
                .uri(format!("http://127.0.0.1:{port}{path}"))
                .body(Full::<Bytes>::from("{}"))
                .expect("valid");
            let response = async { service.ready().await?.call(request).await };
            let result = bounded(response).await;
            results.push(result.map(|response| response.status().as_u16()));
        }
        results.try_into().expect("as many as were sent")
    }

    async fn refused(&self, method: Method, path: &str) -> StatusError {
        println!("{method} {path}"); // seen when the test fails
        let [result] = self.call([(method, path)]).await;
        result.refused()
    }
}

#[track_caller]
fn assert_error<'a>(
    error: &'a StatusError,
    kind: StatusKind,
    message: impl Into<Option<&'a str>>,
    attempts: u32,
) {
    let got = (error.kind(), error.message(), error.attempts());
    assert_eq!(got, (kind, message.into(), attempts), "{error}");
}

fn nginx(folder: &Path, ports: [u16; 2], backends: &Backends) -> String {
    let [dead, silent, rude] = backends.ports();
    let (folder, [one, two]) = (folder.display(), ports);
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};"))
        .concat();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
        events {{}}
        http {{
            access_log off; {temporary}
            limit_req_zone $server_port zone=calls:1m rate=1r/m;
            server {{
                listen 127.0.0.1:{one}; listen 127.0.0.1:{two} http2;
                root {folder};
                location = /folder {{ add_header X-Folder {folder}; return 204; }}
                location /limited {{ limit_req zone=calls; try_files /page.html =404; }}
                location /dead {{ proxy_pass http://127.0.0.1:{dead}; }}
                location /rude {{ proxy_pass http://127.0.0.1:{rude}; }}
                location /silent {{
                    proxy_pass http://127.0.0.1:{silent}; proxy_read_timeout 100ms;
                }}
                location /maintenance {{ error_page 503 /page.html; return 503; }}
                location = /page.html {{ internal; add_header Retry-After 3600 always; }}
            }}
        }}"
    )
}

#[tokio::test]
async fn nginx_says_what_it_means() {
    let backends = Backends::start().await;
    let config = |folder: &Path, ports| nginx(folder, ports, &backends);
    let Some(gateway) = start("nginx", &["-c"], config).await else {
        return;
    };
    for http in VERSIONS {
        println!("over {http:?}");
        let caller = Caller::new(&gateway, http);
        let [first, second] = caller
            .call([(Method::GET, "/limited"), (Method::GET, "/limited")])
            .await;
        assert_eq!(first.expect("one call a minute"), 200);
        let busy = StatusKind::ServiceUnavailable;
        assert_error(
            &second.refused(),
            busy,
            "503 Service Temporarily Unavailable",
            3,
        );

        let late = StatusKind::GatewayTimeout;
        let get = caller.refused(Method::GET, "/silent").await;
        assert_error(&get, late, "504 Gateway Time-out", 3);
        let post = caller.refused(Method::POST, "/silent").await;
        assert_error(&post, late, "504 Gateway Time-out", 1);
        assert_eq!(post.stop_reason(), StopReason::NotIdempotent);
        assert!(post.may_have_been_applied());

        for path in ["/dead", "/rude"] {
            let error = caller.refused(Method::GET, path).await;
            assert_error(&error, StatusKind::OtherServer, "502 Bad Gateway", 1);
        }
        let error = caller.refused(Method::GET, "/maintenance").await;
        assert_error(&error, busy, "Back at noon", 1);
        assert_eq!(error.stop_reason(), StopReason::RetryAfterTooLong);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    }
}

fn haproxy(folder: &Path, ports: [u16; 2], backends: &Backends) -> String {
    let [dead, silent, rude] = backends.ports();
    let (folder, [one, two]) = (folder.display(), ports);
    format!(
        "global
  noreuseport
defaults
  mode http
  retries 0
  timeout connect 1s
  timeout client 10s
  timeout server 100ms
frontend api
  bind 127.0.0.1:{one}
  bind 127.0.0.1:{two} proto h2
  http-request return status 204 hdr X-Folder {folder} if {{ path /folder }}
  http-request return status 503 content-type text/html string \"<title>Back at noon</title>\" hdr Retry-After 3600 if {{ path /maintenance }}
  use_backend dead if {{ path /dead }}
  use_backend silent if {{ path /silent }}
  use_backend rude if {{ path /rude }}
  default_backend nobody
backend nobody
backend dead
  server one 127.0.0.1:{dead}
backend silent
  server one 127.0.0.1:{silent}
backend rude
  server one 127.0.0.1:{rude}
"
    )
}

#[tokio::test]
async fn haproxy_says_what_it_means() {
    let backends = Backends::start().await;
    let config = |folder: &Path, ports| haproxy(folder, ports, &backends);
    let Some(gateway) = start("haproxy", &["-db", "-f"], config).await else {
        return;
    };
    // Its own pages have no title, and so no message.
    for http in VERSIONS {
        println!("over {http:?}");
        let caller = Caller::new(&gateway, http);
        for path in ["/nobody", "/dead"] {
            let error = caller.refused(Method::GET, path).await;
            assert_error(&error, StatusKind::ServiceUnavailable, None, 3);
        }
        let error = caller.refused(Method::GET, "/silent").await;
        assert_error(&error, StatusKind::GatewayTimeout, None, 3);
        let error = caller.refused(Method::POST, "/silent").await;
        assert_error(&error, StatusKind::GatewayTimeout, None, 1);
        let [rude] = caller.call([(Method::GET, "/rude")]).await;
        match http {
            Http::One => assert_error(&rude.refused(), StatusKind::OtherServer, None, 1),
            // It answers with REFUSED_STREAM, although the server behind it had the request.
            Http::Two => assert!(rude.is_err_and(|e| e.may_have_been_applied())),
        }
        let error = caller.refused(Method::GET, "/maintenance").await;
        assert_error(&error, StatusKind::ServiceUnavailable, "Back at noon", 1);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    }
}

/// Every failed body is read to its end, so the connection is used again.
#[tokio::test]
async fn a_gateways_error_pages_do_not_cost_connections() {
    let backends = Backends::start().await;
    let nginx = start("nginx", &["-c"], |folder, ports| {
        nginx(folder, ports, &backends)
    })
    .await;
    let haproxy = start("haproxy", &["-db", "-f"], |folder, ports| {
        haproxy(folder, ports, &backends)
    })
    .await;
    for gateway in [nginx, haproxy].into_iter().flatten() {
        for http in VERSIONS {
            let caller = Caller::new(&gateway, http);
            let requests = std::array::from_fn(|n| (Method::GET, ["/dead", "/maintenance"][n % 2]));
            let results: [_; 10] = caller.call(requests).await;
            assert!(results.into_iter().all(|result| result.is_err()));
            assert_eq!(
                caller.connections.get(),
                1,
                "{http:?}, {:?}",
                gateway.folder
            );
        }
    }
}
