use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A server that runs until it is dropped.
pub struct Process(Mutex<Child>);

/// What a server used in a work.
#[derive(Clone, Copy, Default)]
pub struct Usage {
    pub cpu: Duration,
    /// The most memory held at once, in bytes.
    pub peak_memory: u64,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(Mutex::new(child.spawn().expect("the server's program runs")))
    }

    /// Ends it gracefully.
    pub fn stop(&self) {
        let mut child = self.0.lock().expect("nobody panics meanwhile");
        let id = child.id().to_string();
        Command::new("kill").arg(id).status().expect("kill is there");
        child.wait().expect("it is our child");
    }

    fn id(&self) -> u32 {
        self.0.lock().expect("nobody panics meanwhile").id()
    }

    /// With the processes that it started.
    fn cpu(&self) -> Duration {
        let id = self.id();
        let children = read(id, &format!("task/{id}/children"));
        let ids = children.split_whitespace().flat_map(str::parse).chain([id]);
        ids.map(cpu_of).sum()
    }

    fn memory(&self, field: &str) -> u64 {
        let status = read(self.id(), "status");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("Linux tells the memory") * 1024
    }

    /// Bytes held now.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Starts to measure; the function ends it.
    pub fn measure(&self) -> impl FnOnce() -> Usage {
        // Lets the kernel forget the peak so far.
        std::fs::write(proc(self.id(), "clear_refs"), "5").expect("the process is ours");
        let before = self.cpu();
        move || Usage { cpu: self.cpu() - before, peak_memory: self.memory("VmHWM:") }
    }
}

fn proc(id: u32, file: &str) -> PathBuf {
    Path::new("/proc").join(id.to_string()).join(file)
}

fn read(id: u32, file: &str) -> String {
    std::fs::read_to_string(proc(id, file)).expect("the process runs")
}

fn cpu_of(id: u32) -> Duration {
    let stat = read(id, "stat");
    let after_name = stat.rsplit_once(") ").expect("the name stands in parentheses").1;
    // utime and stime are fields 14 and 15, of which the name is the second; in hundredths.
    let ticks = after_name.split(' ').skip(11).take(2).flat_map(str::parse::<u64>).sum::<u64>();
    Duration::from_millis(ticks * 10)
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first, so that it ends the processes that it started. It may have ended by itself;
        // there is nothing else to do about it here.
        let child = self.0.get_mut().expect("nobody panics meanwhile");
        let _ = Command::new("kill").arg(child.id().to_string()).stderr(Stdio::null()).status();
        let patience = Instant::now() + Duration::from_secs(5);
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A program of the system, or of those that `benches/install-peers` built.
pub fn find(program: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("ORLOP_BENCH_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/orlop-bench")
    });
    let folders =
        [cache.join("bin"), "/usr/bin".into(), "/usr/sbin".into(), "/usr/local/bin".into()];
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("{program} is not installed: left out of the comparison");
    }
    found
}

pub fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound")
}

/// Waits until a server takes connections.
pub async fn listens(address: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while tokio::net::TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < deadline, "no server listens on {address}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
