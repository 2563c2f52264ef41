//! Varnish.

use std::{path::Path, time::Duration};

use http::Method;
use revio_status::{StandardPolicy, StatusKind, StopReason};

use super::{
    VERSIONS,
    backends::Backends,
    caller::{Caller, assert_error, assert_upload_refused},
    process::{Gateway, Setup, start},
    support::layer,
};

const NO_RESPONSE: &str = "503 Backend fetch failed";
const CLOSED: &str = "503 Back at noon";
const LATE: &str = "504 Too late";
const BROKEN: &str = "502 No sense";

async fn varnish(backends: &Backends) -> Option<Gateway> {
    start("varnishd", |folder, ports| {
        let [one, two] = ports.map(|port| format!("127.0.0.1:{port}"));
        let name = folder.join("name").display().to_string();
        let args = ["-F", "-n", &name, "-a", &one, "-a", &two];
        let more = ["-p", "feature=+http2", "-s", "malloc,8m", "-f"];
        Setup {
            args: args.into_iter().chain(more).map(str::to_owned).collect(),
            config: config(folder, backends),
        }
    })
    .await
}

fn config(folder: &Path, backends: &Backends) -> String {
    let folder = folder.display();
    let Backends {
        dead,
        silent,
        rude,
        ledger,
        ..
    } = backends;
    format!(
        r#"vcl 4.1;
import std;
backend dead {{ .host = "127.0.0.1"; .port = "{dead}"; }}
backend silent {{ .host = "127.0.0.1"; .port = "{silent}"; .first_byte_timeout = 100ms; }}
backend rude {{ .host = "127.0.0.1"; .port = "{rude}"; }}
backend ledger {{ .host = "127.0.0.1"; .port = "{ledger}"; }}
sub vcl_recv {{
  if (req.url == "/folder") {{ return (synth(204)); }}
  if (req.url == "/maintenance") {{ return (synth(503, "Back at noon")); }}
  if (std.integer(req.http.Content-Length, 0) > 1000) {{ return (synth(413)); }}
  set req.backend_hint = ledger;
  if (req.url == "/dead") {{ set req.backend_hint = dead; }}
  if (req.url == "/silent" || req.url == "/late") {{ set req.backend_hint = silent; }}
  if (req.url == "/rude" || req.url == "/bad") {{ set req.backend_hint = rude; }}
  return (pass);
}}
sub vcl_synth {{
  set resp.http.X-Folder = "{folder}";
  if (resp.status == 413) {{ set resp.http.Connection = "close"; }}
}}
sub vcl_backend_error {{
  if (bereq.url == "/late") {{ set beresp.status = 504; set beresp.reason = "Too late"; }}
  if (bereq.url == "/bad") {{ set beresp.status = 502; set beresp.reason = "No sense"; }}
}}
"#
    )
}

/// Promise (cause): The message of a gateway's error page is the sentence that a reader would pick.
#[tokio::test]
async fn error_page_has_kind_and_message() {
    let backends = Backends::start().await;
    let Some(gateway) = varnish(&backends).await else {
        return;
    };
    let busy = StatusKind::ServiceUnavailable;
    for http in VERSIONS {
        println!("over {http:?}");
        let policy = StandardPolicy::default().max_retry_after(Duration::from_secs(4));
        let caller = Caller::with(&gateway, http, layer().policy(policy));
        for (path, kind, message) in [
            ("/dead", busy, NO_RESPONSE),
            ("/silent", busy, NO_RESPONSE),
            ("/rude", busy, NO_RESPONSE),
            ("/maintenance", busy, CLOSED),
            ("/late", StatusKind::GatewayTimeout, LATE),
        ] {
            // Each page has `Retry-After: 5`.
            let get = caller.refused(Method::GET, path).await;
            assert_error(&get, kind, message, 1);
            assert_eq!(get.stop_reason(), StopReason::RetryAfterTooLong);
            assert_eq!(get.retry_after(), Some(Duration::from_secs(5)));
            let post = caller.refused(Method::POST, path).await;
            assert_error(&post, kind, message, 1);
            assert_eq!(post.stop_reason(), StopReason::NotIdempotent);
            assert!(post.may_have_been_applied());
        }
        let error = caller.refused(Method::GET, "/bad").await;
        assert_error(&error, StatusKind::OtherServerError, BROKEN, 1);
    }
}

/// Promise (load): Failures cost no connections.
#[tokio::test]
async fn error_pages_cost_no_connections() {
    let backends = Backends::start().await;
    let Some(gateway) = varnish(&backends).await else {
        return;
    };
    for http in VERSIONS {
        let policy = StandardPolicy::default().max_retry_after(Duration::ZERO);
        let caller = Caller::with(&gateway, http, layer().policy(policy));
        let requests = std::array::from_fn(|n| (Method::GET, ["/dead", "/maintenance"][n % 2]));
        let results: [_; 10] = caller.call(requests).await;
        assert!(results.into_iter().all(|result| result.is_err()));
        assert_eq!(caller.connections.get(), 1, "{http:?}");
    }
}

#[tokio::test]
async fn refused_upload_is_not_applied() {
    let backends = Backends::start().await;
    let Some(gateway) = varnish(&backends).await else {
        return;
    };
    for http in VERSIONS {
        assert_upload_refused(&Caller::new(&gateway, http), "/small").await;
    }
    assert_eq!(backends.executed.count.get(), 0);
}

/// Promise (once): A gateway's restart under load loses no GET and applies no POST twice.
///
/// Varnish's worker process ends with all requests in flight, and a new one starts.
#[tokio::test]
async fn worker_restart_is_safe() {
    let backends = Backends::start().await;
    let Some(gateway) = varnish(&backends).await else {
        return;
    };
    let name = gateway.folder.join("name").display().to_string();
    for http in VERSIONS {
        let restart = async {
            for command in ["stop", "start"] {
                gateway.run("varnishadm", &["-n", &name, command]).await;
            }
        };
        let executed = &backends.executed;
        super::restart::assert_restart_is_safe(&gateway, http, executed, restart).await;
    }
}
