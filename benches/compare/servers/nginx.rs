use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::process::{Process, find, free_address, listens};

/// The limit for reads: static files by sendfile.
pub struct Nginx {
    pub process: Process,
    _folder: TempDir,
    pub address: SocketAddr,
}

impl Nginx {
    pub const NAME: &'static str = "nginx, static file";

    /// Serves `/small` of 1 KiB and `/large`.
    pub async fn start(large: usize) -> Option<Self> {
        let program = find("nginx")?;
        let folder = TempDir::new().expect("a folder can be made");
        let address = free_address();
        let root = folder.path();
        std::fs::write(root.join("small"), vec![b'x'; 1024]).expect("the folder is ours");
        std::fs::write(root.join("large"), vec![b'x'; large]).expect("the folder is ours");
        let root = root.display();
        let config = format!(
            "daemon off; worker_processes auto; pid {root}/pid; error_log /dev/null; user root;\n\
             events {{}}\nhttp {{ access_log off; sendfile on; tcp_nopush on; \
             keepalive_requests 100000000;\n\
             client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;\n\
             uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;\n\
             server {{ listen {address}; root {root}; }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).expect("the folder is ours");
        let process = Process::start(Command::new(program).arg("-c").arg(file));
        listens(address).await;
        Some(Self { process, _folder: folder, address })
    }
}
