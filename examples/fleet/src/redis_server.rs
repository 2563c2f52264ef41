//! The Redis that a URL leads to, or a `redis-server` of one's own, for a demonstration or a test: on a
//! socket in a folder of its own, in memory alone. It is killed, and the folder removed, when it is
//! dropped.

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
/// If that is no URL. Which one is not said: it may hold a password.
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
    /// Starts one. [`io::ErrorKind::NotFound`]: it is not installed.
    pub fn start(options: &[&str]) -> io::Result<Self> {
        let mut server = Self::prepare(options)?;
        server.restart()?;
        Ok(server)
    }

    /// One that does not run yet.
    pub fn prepare(options: &[&str]) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "revio-fleet-{}-{}",
            process::id(),
            COUNT.fetch_add(1, Relaxed)
        );
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Ok(Self {
            folder,
            options,
            child: None,
        })
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it at once, and with it all that it knew.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it (again), empty, and waits until it answers.
    pub fn restart(&mut self) -> io::Result<()> {
        self.kill();
        let _ = fs::remove_file(self.socket());
        let child = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--loglevel",
                "warning",
            ])
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
        let begin = Instant::now();
        while !answers(&client) {
            if begin.elapsed() > START {
                return Err(io::Error::other("redis-server does not answer"));
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

/// That it asks for a password is an answer.
fn answers(client: &redis::Client) -> bool {
    match client.get_connection() {
        Ok(mut connection) => match redis::cmd("PING").query::<()>(&mut connection) {
            Ok(()) => true,
            Err(error) => error.code() == Some("NOAUTH"),
        },
        Err(_) => false,
    }
}
