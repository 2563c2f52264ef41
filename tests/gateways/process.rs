//! The processes of the gateways: found, started, and ended in any case.

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

/// Within this time a gateway answers.
const START: Duration = Duration::from_secs(10);
/// Becomes the gateway, which ends with its standard input, and its children with it, so that none
/// outlives a killed test.
const LEASH: &str = r#"exec 3<&0; (read -r _ <&3; kill -KILL -$$) & exec "$@" 3<&-"#;

/// What a gateway is told.
pub struct Setup {
    /// What comes before the name of its configuration.
    pub args: Vec<String>,
    pub config: String,
}

/// A gateway's process, with a folder of its own. Both go when this goes.
pub struct Gateway {
    pub folder: PathBuf,
    /// For HTTP/1.1 and HTTP/2.
    pub ports: [u16; 2],
    process: Child,
    /// Its end is the gateway's.
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

/// Free a moment ago: a gateway cannot tell which port it was given.
fn free_ports<const N: usize>() -> [u16; N] {
    let bind = |_| std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let listeners: Vec<_> = (0..N).map(bind).collect();
    let port = |n: usize| listeners[n].local_addr().expect("bound").port();
    std::array::from_fn(port)
}

/// Starts a gateway with this configuration, or tells that there is none on this machine.
pub async fn start(name: &str, setup: impl Fn(&Path, [u16; 2]) -> Setup) -> Option<Gateway> {
    let Some(program) = find(name) else {
        // Past the test harness, which keeps what passing tests print.
        let _ = writeln!(std::io::stderr(), "{name} is not tested: not found");
        return None;
    };
    // One whose port was taken in the meantime ends at once.
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
                Err(_) => panic!("{name} does not come up: {}", gateway.words()),
            },
        };
        println!("{name} ended, {ended}: {}", gateway.words());
    }
    panic!("{name} does not start");
}

/// Where users do not look, too: Debian keeps servers from their `PATH`.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut files = folders.map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// Whether this very gateway listens, and not a stranger who was given the port.
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
        let words = File::create(folder.join("words")).expect("ours");
        let mut command = Command::new("sh");
        command.args(["-c", LEASH, "sh"]).arg(program);
        command.args(args).arg(&file).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = command.stderr(words).spawn().expect("a shell");
        Self {
            folder,
            ports,
            leash: process.stdin.take(),
            process,
        }
    }

    /// What it has complained of.
    fn words(&self) -> String {
        self.read("words")
    }

    /// One of its files.
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    /// Tells it something, by a program that came with it.
    pub async fn tell(&self, program: &str, args: &[&str]) {
        let program = find(program).expect("it came with the gateway");
        let mut command = Command::new(program);
        let told = command.args(args).stdout(Stdio::null()).status().await;
        assert!(told.is_ok_and(|status| status.success()), "{args:?}");
    }
}
