//! A page of ours in headless Chromium: what it shows, what it logs, and where it calls.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use super::{Origin, clients, skip};

/// What became of a page.
pub struct Opened {
    /// The document as it stands after everything has run.
    pub dom: String,
    /// What was logged to the console, errors of the page's policy among it.
    pub console: Vec<String>,
    /// The first line of each request that left the page for any host.
    pub requests: Vec<String>,
}

/// Opens a file. `None` where no Chromium is installed, which is named.
pub fn open(page: &Path) -> Option<Opened> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let Some(name) = names.into_iter().find(|name| clients::runs(&[name, "--version"])) else {
        skip("browser", "no Chromium is installed");
        return None;
    };
    // Every request goes to this proxy, which notes it and answers nothing.
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&seen);
    let proxy = Origin::raw(move |mut stream| {
        let noted = Arc::clone(&noted);
        async move {
            use tokio::io::AsyncReadExt;
            let mut buffer = [0; 2048];
            let read = stream.read(&mut buffer).await.unwrap_or(0);
            let line = String::from_utf8_lossy(&buffer[..read]).lines().next().unwrap_or_default().to_owned();
            noted.lock().unwrap().push(line);
        }
    });
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(name)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"])
        .args(["--disable-domain-reliability", "--disable-default-apps", "--no-pings", "--disable-client-side-phishing-detection"])
        .args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000", "--dump-dom"])
        .args(["--disable-features=OptimizationHints,MediaRouter,AutofillServerCommunication,CertificateTransparencyComponentUpdater"])
        .arg(format!("--proxy-server=http://{}", proxy.address))
        .arg("--proxy-bypass-list=<-loopback>")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name}: {said}");
    let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    // What the browser does of its own accord for its makers is not the page's.
    let own = ["google", "gstatic", "gvt1", "chrome", "chromium"];
    let requests =
        seen.lock().unwrap().iter().filter(|line| !own.iter().any(|host| line.contains(host))).cloned().collect();
    Some(Opened { dom: String::from_utf8_lossy(&output.stdout).into_owned(), console, requests })
}
