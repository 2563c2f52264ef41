//! A `redis-server` for one test: on a socket in a folder of its own, in memory. It is killed, and the
//! folder removed, when it is dropped.

use std::{
    env, fs, io,
    io::Write as _,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread::sleep,
    time::{Duration, Instant},
};

use redis::Value;

pub struct RedisServer {
    folder: PathBuf,
    options: Vec<String>,
    child: Option<Child>,
}

/// Starts a server. `None`, with a loud message, if it is not installed.
pub fn redis(options: &[&str]) -> Option<RedisServer> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Relaxed);
    let folder = env::temp_dir().join(format!("revio-limit-{}-{count}", process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let options = options.iter().map(|&option| option.to_owned()).collect();
    let mut server = RedisServer {
        folder,
        options,
        child: None,
    };
    match server.start() {
        Ok(()) => Some(server),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Past the harness, which hides what a test that passes has printed.
            let warning = "WARNING: redis-server is not installed: this test tests nothing.";
            let _ = writeln!(io::stderr(), "{warning}");
            None
        }
        Err(error) => panic!("redis-server: {error}"),
    }
}

impl RedisServer {
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    /// Ends the server at once, and with it all that it knew.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the server (again), empty, and waits until it responds.
    pub fn restart(&mut self) {
        self.start().expect("as before");
    }

    fn start(&mut self) -> io::Result<()> {
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
        let start = Instant::now();
        while !self.responds() {
            assert!(start.elapsed() < Duration::from_secs(60), "no response");
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// A request for a password is a response.
    fn responds(&self) -> bool {
        let client = redis::Client::open(self.url()).expect("a URL");
        let Ok(mut connection) = client.get_connection() else {
            return false;
        };
        let pong = redis::cmd("PING").query::<()>(&mut connection);
        pong.map_or_else(|error| error.code() == Some("NOAUTH"), |()| true)
    }

    /// Sends `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args([format!("-{name}"), id]).status();
        assert!(status.expect("kill").success());
    }

    pub fn command(&self, words: &[&str]) -> Value {
        command(&self.url(), words)
    }

    /// Returns how often a command was called, by clients and scripts.
    pub fn calls(&self, name: &str) -> u32 {
        let stats = format!("{:?}", self.command(&["INFO", "commandstats"]));
        let calls = stats.split(&format!("cmdstat_{name}:calls=")).nth(1);
        let calls = calls.and_then(|calls| calls.split(',').next());
        calls.map_or(0, |calls| calls.parse().expect("a number"))
    }

    pub fn number(&self, words: &[&str]) -> i64 {
        match self.command(words) {
            Value::Int(number) => number,
            other => panic!("{other:?}"),
        }
    }

    pub fn text(&self, words: &[&str]) -> String {
        match self.command(words) {
            Value::BulkString(bytes) => String::from_utf8(bytes).expect("text"),
            other => panic!("{other:?}"),
        }
    }

    /// Returns Redis' clock, in microseconds.
    pub fn now(&self) -> u64 {
        let script = "local time = redis.call('TIME') return time[1] * 1000000 + time[2]";
        let now = self.number(&["EVAL", script, "0"]);
        now.try_into().expect("later than 1970")
    }
}

/// Sends a command past everything under test.
pub fn command(url: &str, words: &[&str]) -> Value {
    let client = redis::Client::open(url).expect("a URL");
    let mut connection = client.get_connection().expect("it runs");
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut connection).expect("a valid command")
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
