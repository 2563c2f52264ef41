//! TLS with a certificate made by the test. The trusted roots are set in a process's environment,
//! so a client runs in its own process.

use std::{env, ffi::OsStr, fs, sync::Arc};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::support::{scratch, wire::bounded};

/// Returns a self-signed certificate for loopback.
pub fn new_host() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["127.0.0.1".into()]).expect("a certificate")
}

/// Starts a TLS proxy in front of a plain server, for one client at a time. Returns its URI.
pub async fn in_front_of(plain: &str, host: CertifiedKey<KeyPair>) -> String {
    let key = PrivateKeyDer::try_from(host.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![host.cert.into()], key);
    let tls = TlsAcceptor::from(Arc::new(config.expect("the certificate's own key")));
    let plain = plain.replace("http://", "");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client without this root aborts the handshake.
            if let Ok(mut stream) = tls.accept(stream).await {
                let mut plain = TcpStream::connect(&plain).await.expect("the plain server");
                let _ = copy_bidirectional(&mut stream, &mut plain).await;
            }
        }
    });
    format!("https://{address}")
}

/// Runs one test of this binary in a process that trusts these roots alone. Returns its exit code
/// and its output.
pub async fn in_a_process<K, V>(
    test: &str,
    env: impl IntoIterator<Item = (K, V)>,
    roots: String,
) -> (Option<i32>, String)
where
    K: AsRef<OsStr>,
    V: AsRef<OsStr>,
{
    let path = scratch("roots.pem", roots.as_bytes());
    let command = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "--nocapture", test])
        .envs(env)
        .env("SSL_CERT_FILE", &path)
        .env_remove("SSL_CERT_DIR")
        .kill_on_drop(true)
        .output();
    let got = bounded(command).await.expect("it runs");
    fs::remove_file(&path).expect("ours");
    let text = [got.stdout, got.stderr].concat();
    (got.status.code(), String::from_utf8(text).expect("UTF-8"))
}
