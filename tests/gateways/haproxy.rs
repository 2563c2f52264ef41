//! HAProxy.

use std::{path::Path, time::Duration};

use http::Method;
use revio_status::StatusKind;

use super::{
    VERSIONS,
    backends::Backends,
    caller::{Caller, assert_error},
    process::{Gateway, Setup, start},
    support::{Refused, wire::Http},
};

async fn haproxy(backends: &Backends) -> Option<Gateway> {
    start("haproxy", |folder, ports| Setup {
        args: ["-db", "-f"].map(str::to_owned).into(),
        config: config(folder, ports, backends),
    })
    .await
}

fn config(folder: &Path, [one, two]: [u16; 2], backends: &Backends) -> String {
    let folder = folder.display();
    let Backends {
        dead, silent, rude, ..
    } = backends;
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

/// Promise (cause): The message of a gateway's error page is the sentence that a reader would pick.
#[tokio::test]
async fn error_page_has_kind_and_message() {
    let backends = Backends::start().await;
    let Some(gateway) = haproxy(&backends).await else {
        return;
    };
    // HAProxy's own pages have one sentence and no title.
    let nobody = "No server is available to handle this request.";
    let silent = "The server didn't respond in time.";
    let rude = "The server returned an invalid or incomplete response.";
    for http in VERSIONS {
        println!("over {http:?}");
        let caller = Caller::new(&gateway, http);
        for path in ["/nobody", "/dead"] {
            let error = caller.refused(Method::GET, path).await;
            assert_error(&error, StatusKind::ServiceUnavailable, nobody, 3);
        }
        let error = caller.refused(Method::GET, "/silent").await;
        assert_error(&error, StatusKind::GatewayTimeout, silent, 3);
        let error = caller.refused(Method::POST, "/silent").await;
        assert_error(&error, StatusKind::GatewayTimeout, silent, 1);
        let [result] = caller.call([(Method::GET, "/rude")]).await;
        match http {
            Http::One => assert_error(&result.refused(), StatusKind::OtherServerError, rude, 1),
            // HAProxy returns REFUSED_STREAM although the server received the request.
            Http::Two => assert!(result.is_err_and(|e| e.may_have_been_applied())),
        }
        let error = caller.refused(Method::GET, "/maintenance").await;
        assert_error(&error, StatusKind::ServiceUnavailable, "Back at noon", 1);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    }
}

/// Every error body is read to its end, so the connection is reused.
#[tokio::test]
async fn error_pages_cost_no_connections() {
    let backends = Backends::start().await;
    let Some(gateway) = haproxy(&backends).await else {
        return;
    };
    for http in VERSIONS {
        let caller = Caller::new(&gateway, http);
        let requests = std::array::from_fn(|n| (Method::GET, ["/dead", "/maintenance"][n % 2]));
        let results: [_; 10] = caller.call(requests).await;
        assert!(results.into_iter().all(|result| result.is_err()));
        assert_eq!(caller.connections.get(), 1, "{http:?}");
    }
}
