//! The Redis of a URL, or a `redis-server` of its own: on a socket in a folder of its own, in memory. It
//! is killed, and the folder removed, when it is dropped.

use std::{
    env, fs, io,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread::sleep,
    time::{Duration, Instant},
};

/// The environment variable that names a Redis.
pub const URL: &str = "REVIO_REDIS_URL";

/// # Errors
///
/// If the URL is not valid. The error does not show it: it may contain a password.
pub fn client(url: &str) -> Result<redis::Client, String> {
    redis::Client::open(url).map_err(|_| {
        format!("{URL} is no URL of a Redis, or one of TLS, which this program was built without")
    })
}

const START: Duration = Duration::from_secs(10);

pub struct RedisServer {
    folder: PathBuf,
    options: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server. [`io::ErrorKind::NotFound`]: it is not installed.
    pub fn start(options: &[&str]) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let folder = env::temp_dir().join(format!("revio-fleet-{}-{count}", process::id()));
        fs::create_dir_all(&folder)?;
        let mut server = Self {
            folder,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            child: None,
        };
        server.restart()?;
        Ok(server)
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Ends the server at once, and with it all that it knew.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the server (again), empty, and waits until it responds.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let _ = fs::remove_file(self.socket());
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .args(["--loglevel", "warning"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        self.child = Some(child);
        let client = redis::Client::open(self.url()).map_err(io::Error::other)?;
        let start = Instant::now();
        while !responds(&client) {
            if start.elapsed() > START {
                return Err(io::Error::other("redis-server does not respond"));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A request for a password is a response.
fn responds(client: &redis::Client) -> bool {
    let Ok(mut connection) = client.get_connection() else {
        return false;
    };
    let pong = redis::cmd("PING").query::<()>(&mut connection);
    pong.map_or_else(|error| error.code() == Some("NOAUTH"), |()| true)
}
