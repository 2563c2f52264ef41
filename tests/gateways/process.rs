//! The gateways' processes: found, started, and always ended.

use std::{
    env,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use tokio::{
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use super::{
    VERSIONS,
    support::wire::{Http, client},
};

/// The longest time that a gateway may take to start.
const START: Duration = Duration::from_secs(10);
/// A shell script that becomes the gateway. It kills the process group when its standard input ends,
/// so that no gateway outlives a killed test.
const LEASH: &str = r#"exec 3<&0; (read -r _ <&3; kill -KILL -$$) & exec "$@" 3<&-"#;

/// A gateway's arguments and configuration.
pub struct Setup {
    /// The arguments before the configuration's path.
    pub args: Vec<String>,
    pub config: String,
}

/// A gateway's process, with its own folder. Dropping ends the process and removes the folder.
pub struct Gateway {
    pub folder: PathBuf,
    /// For HTTP/1.1 and HTTP/2.
    pub ports: [u16; 2],
    process: Child,
    /// Closing it ends the gateway.
    leash: Option<ChildStdin>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.leash = None;
        while matches!(self.process.try_wait(), Ok(None)) {
            std::thread::yield_now();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns ports that were free a moment ago: a gateway cannot report a port that it chose itself.
fn free_ports<const N: usize>() -> [u16; N] {
    let bind = |_| std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let listeners: Vec<_> = (0..N).map(bind).collect();
    let port = |n: usize| listeners[n].local_addr().expect("bound").port();
    std::array::from_fn(port)
}

/// Starts a gateway with this configuration. Returns `None` if it is not installed.
pub async fn start(name: &str, setup: impl Fn(&Path, [u16; 2]) -> Setup) -> Option<Gateway> {
    let Some(program) = find(name) else {
        // Bypasses the test harness, which hides the output of passing tests.
        let _ = writeln!(std::io::stderr(), "{name} is not tested: not found");
        return None;
    };
    // A gateway whose port was taken meanwhile ends at once.
    for _ in 0..5 {
        let mut gateway = Gateway::spawn(name, &program, &setup);
        let is_up = async {
            for (port, http) in gateway.ports.into_iter().zip(VERSIONS) {
                while !is_at(port, http, &gateway.folder).await {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        let ended = tokio::select! {
            biased;
            ended = gateway.process.wait() => ended.expect("a child"),
            is_up = timeout(START, is_up) => match is_up {
                Ok(()) => return Some(gateway),
                Err(_) => panic!("{name} does not come up: {}", gateway.stderr()),
            },
        };
        println!("{name} ended, {ended}: {}", gateway.stderr());
    }
    panic!("{name} does not start");
}

/// Searches `PATH` and `/usr/sbin`, which Debian leaves out of users' `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut files = folders.map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// Returns `true` if this gateway listens, and not another process that got the port.
async fn is_at(port: u16, http: Http, folder: &Path) -> bool {
    let request = Request::get(format!("http://127.0.0.1:{port}/folder"));
    let request = request.body(Empty::<Bytes>::new()).expect("valid");
    let response = client(http).request(request).await;
    response.is_ok_and(|response| {
        let header = response.headers().get("x-folder");
        header.is_some_and(|header| *header == *folder.display().to_string())
    })
}

impl Gateway {
    fn spawn(name: &str, program: &Path, setup: impl Fn(&Path, [u16; 2]) -> Setup) -> Self {
        let ports = free_ports();
        let folder = format!("revio-status-{name}-{}-{}", std::process::id(), ports[0]);
        let folder = env::temp_dir().join(folder);
        fs::create_dir_all(&folder).expect("a place for files");
        fs::write(folder.join("page.html"), "<title>Back at noon</title>").expect("ours");
        let Setup { args, config } = setup(&folder, ports);
        let file = folder.join("config");
        fs::write(&file, config).expect("ours");
        let stderr = File::create(folder.join("stderr")).expect("ours");
        let mut command = Command::new("sh");
        command.args(["-c", LEASH, "sh"]).arg(program);
        command.args(args).arg(&file).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = command.stderr(stderr).spawn().expect("a shell");
        Self {
            folder,
            ports,
            leash: process.stdin.take(),
            process,
        }
    }

    /// Returns its standard error.
    fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// Returns the content of a file in its folder.
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    /// Runs a control program that came with the gateway.
    pub async fn run(&self, program: &str, args: &[&str]) {
        let program = find(program).expect("installed with the gateway");
        let mut command = Command::new(program);
        let status = command.args(args).stdout(Stdio::null()).status().await;
        assert!(status.is_ok_and(|status| status.success()), "{args:?}");
    }
}
