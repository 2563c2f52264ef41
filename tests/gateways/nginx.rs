//! nginx.

use std::{path::Path, time::Duration};

use http::Method;
use revio_status::{StatusKind, StopReason};

use super::{
    VERSIONS,
    backends::Backends,
    caller::{Caller, assert_error},
    process::{Gateway, Setup, start},
    support::Refused,
};

async fn nginx(backends: &Backends) -> Option<Gateway> {
    start("nginx", |folder, ports| Setup {
        args: vec!["-c".to_owned()],
        config: config(folder, ports, backends),
    })
    .await
}

fn config(folder: &Path, [one, two]: [u16; 2], backends: &Backends) -> String {
    let folder = folder.display();
    let Backends {
        dead, silent, rude, ..
    } = backends;
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

/// Promise (cause): The message of a gateway's error page is the sentence that a reader would pick.
#[tokio::test]
async fn error_page_has_kind_and_message() {
    let backends = Backends::start().await;
    let Some(gateway) = nginx(&backends).await else {
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
            assert_error(&error, StatusKind::OtherServerError, "502 Bad Gateway", 1);
        }
        let error = caller.refused(Method::GET, "/maintenance").await;
        assert_error(&error, busy, "Back at noon", 1);
        assert_eq!(error.stop_reason(), StopReason::RetryAfterTooLong);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    }
}

/// Promise (load): Failures cost no connections.
///
/// Every error body is read to its end, so the connection is reused.
#[tokio::test]
async fn error_pages_cost_no_connections() {
    let backends = Backends::start().await;
    let Some(gateway) = nginx(&backends).await else {
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
