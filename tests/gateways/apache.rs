//! Apache httpd.

use std::{path::Path, time::Duration};

use http::Method;
use revio_status::{StatusKind, StopReason};

use super::{
    VERSIONS,
    backends::Backends,
    caller::{Caller, assert_error, assert_upload_refused},
    process::{Gateway, Setup, start},
    support::wire::Http,
};

const MODULES: [&str; 9] = [
    "mpm_event",
    "alias",
    "authz_core",
    "headers",
    "http2",
    "mime",
    "proxy",
    "proxy_fcgi",
    "proxy_http",
];

const BUSY: &str = "The server is temporarily unable to service your request due to maintenance downtime or capacity problems. Please try again later.";
const LATE: &str =
    "The gateway did not receive a timely response from the upstream server or application.";
const BROKEN: &str = "The proxy server received an invalid response from an upstream server. The proxy server could not handle the request Reason: Error reading from remote server";
const FAILED: &str = "The server encountered an internal error or misconfiguration and was unable to complete your request.";

async fn apache(backends: &Backends) -> Option<Gateway> {
    start("apache2", |folder, ports| Setup {
        args: ["-DFOREGROUND", "-f"].map(str::to_owned).into(),
        config: config(folder, ports, backends),
    })
    .await
}

fn config(folder: &Path, [one, two]: [u16; 2], backends: &Backends) -> String {
    let folder = folder.display();
    let Backends {
        dead,
        silent,
        rude,
        ledger,
        ..
    } = backends;
    let modules: String = MODULES
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    // Apache does not serve as root. Started by another user, it ignores User and Group.
    format!(
        "ServerName localhost
ServerRoot {folder}
DefaultRuntimeDir {folder}
DocumentRoot {folder}
ErrorLog {folder}/log
PidFile {folder}/pid
Listen 127.0.0.1:{one}
Listen 127.0.0.1:{two}
{modules}
User #65534
Group #65534
Mutex pthread
TypesConfig /dev/null
Protocols h2c http/1.1
StartServers 1
<Location /folder>
  Redirect 204
  Header always set X-Folder {folder}
</Location>
<Location /maintenance>
  Redirect 503
  ErrorDocument 503 /page.html
</Location>
<Location /page.html>
  Header always set Retry-After 3600
</Location>
<Location /small>
  <If \"%{{HTTP:Content-Length}} -gt 1000\">
    Redirect 413
  </If>
</Location>
ProxyPass /dead http://127.0.0.1:{dead}
ProxyPass /silent fcgi://127.0.0.1:{silent}/ timeout=1
ProxyPass /slow http://127.0.0.1:{silent} timeout=1
ProxyPass /rude http://127.0.0.1:{rude}
ProxyPass /small http://127.0.0.1:{ledger}
ProxyPass /ledger http://127.0.0.1:{ledger}/ledger
"
    )
}

/// Promise (cause): The message of a gateway's error page is the sentence that a reader would pick.
#[tokio::test]
async fn error_page_has_kind_and_message() {
    let backends = Backends::start().await;
    let Some(gateway) = apache(&backends).await else {
        return;
    };
    for http in VERSIONS {
        println!("over {http:?}");
        let caller = Caller::new(&gateway, http);
        let busy = StatusKind::ServiceUnavailable;
        let get = caller.refused(Method::GET, "/dead").await;
        assert_error(&get, busy, BUSY, 3);
        let post = caller.refused(Method::POST, "/dead").await;
        assert_error(&post, busy, BUSY, 1);
        assert!(post.may_have_been_applied());

        // Its timeouts are whole seconds.
        let (late, slow) = tokio::join!(
            caller.refused(Method::POST, "/silent"),
            caller.refused(Method::GET, "/slow"),
        );
        assert_error(&late, StatusKind::GatewayTimeout, LATE, 1);
        assert_eq!(late.stop_reason(), StopReason::NotIdempotent);
        assert!(late.may_have_been_applied());
        // A timeout of mod_proxy_http is a 502.
        assert_error(&slow, StatusKind::OtherServerError, BROKEN, 1);
        assert!(slow.may_have_been_applied());

        let rude = caller.refused(Method::GET, "/rude").await;
        match http {
            Http::One => assert_error(&rude, StatusKind::OtherServerError, BROKEN, 1),
            Http::Two => {
                assert_error(&rude, StatusKind::InternalServerError, FAILED, 1);
            }
        }
        let error = caller.refused(Method::GET, "/maintenance").await;
        assert_error(&error, busy, "Back at noon", 1);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    }
}

/// Promise (load): Failures cost no connections.
#[tokio::test]
async fn only_503_closes_the_connection() {
    let backends = Backends::start().await;
    let Some(gateway) = apache(&backends).await else {
        return;
    };
    for http in VERSIONS {
        for (path, status, connections) in [("/maintenance", 503, 10), ("/missing", 404, 1)] {
            let caller = Caller::new(&gateway, http);
            let results = caller.call([(); 10].map(|()| (Method::GET, path))).await;
            for result in results {
                let error = result.expect_err("no success");
                let got = error.status_error().map(|error| error.status().as_u16());
                assert_eq!(got, Some(status), "{error:?}");
            }
            let expected = if http == Http::One { connections } else { 1 };
            assert_eq!(caller.connections.get(), expected, "{path} over {http:?}");
        }
    }
}

/// If the server behind it closes the connection, Apache does not respond to the second request of a
/// connection, so that the client resends it.
#[tokio::test]
async fn closed_connection_hides_lost_response() {
    let backends = Backends::start().await;
    let Some(gateway) = apache(&backends).await else {
        return;
    };
    let caller = Caller::new(&gateway, Http::One);
    let requests = [(Method::POST, "/rude"), (Method::POST, "/rude")];
    let [first, second] = caller.call(requests).await;
    let first = first.expect_err("502");
    assert!(first.status_error().is_some(), "{first:?}");
    let second = second.expect_err("no response");
    assert!(second.service_error().is_some(), "{second:?}");
    assert!(second.may_have_been_applied());
    assert_eq!(second.attempts(), 1);
}

#[tokio::test]
async fn refused_upload_is_not_applied() {
    let backends = Backends::start().await;
    let Some(gateway) = apache(&backends).await else {
        return;
    };
    for http in VERSIONS {
        assert_upload_refused(&Caller::new(&gateway, http), "/small").await;
    }
    assert_eq!(backends.executed.count.get(), 0);
}

/// Promise (once): A gateway's restart under load loses no GET and applies no POST twice.
#[tokio::test]
async fn graceful_restart_is_safe() {
    let backends = Backends::start().await;
    let Some(gateway) = apache(&backends).await else {
        return;
    };
    let config = gateway.folder.join("config").display().to_string();
    // Over HTTP/2 it closes connections with an error that hyper does not distinguish from others.
    let restart = async {
        gateway
            .run("apache2", &["-k", "graceful", "-f", &config])
            .await;
        while gateway.read("log").matches("resuming").count() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    super::restart::assert_restart_is_safe(&gateway, Http::One, &backends.executed, restart).await;
}
