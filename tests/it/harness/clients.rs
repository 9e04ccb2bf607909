//! Real clients, as child processes: each fetches URLs and prints what it got, so that two runs can be compared byte
//! by byte.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A client: how it is run, and what it needs.
pub struct Client {
    pub name: &'static str,
    /// Tells whether it is installed, by running this.
    probe: &'static [&'static str],
    /// The program and its first arguments; URLs follow.
    run: &'static [&'static str],
    /// A script that is written beside, if it needs one.
    script: Option<(&'static str, &'static str)>,
}

/// The clients of the matrix. Each takes URLs, and prints status and body of each.
pub const CLIENTS: &[Client] = &[
    Client {
        name: "curl",
        probe: &["curl", "--version"],
        run: &["curl", "-sS", "-i", "--suppress-connect-headers", "--compressed", "--http1.1"],
        script: None,
    },
    Client {
        name: "curl-http2",
        probe: &["sh", "-c", "curl --version | grep -q HTTP2"],
        run: &["curl", "-sS", "--compressed", "--http2", "-w", "%{http_version} %{http_code}\n"],
        script: None,
    },
    Client {
        name: "python-requests",
        probe: &["python3", "-c", "import requests"],
        run: &["python3", "client.py"],
        script: Some((
            "client.py",
            "import sys, requests\nsession = requests.Session()\nfor url in sys.argv[1:]:\n    r = session.get(url, allow_redirects=False)\n    sys.stdout.buffer.write(f'{r.status_code} {r.reason} {r.headers.get(\"content-type\")}\\n'.encode() + r.content + b'\\n')\n",
        )),
    },
    Client {
        name: "python-httpx",
        probe: &["python3", "-c", "import httpx"],
        run: &["python3", "client_httpx.py"],
        script: Some((
            "client_httpx.py",
            "import sys, httpx\nwith httpx.Client() as client:\n    for url in sys.argv[1:]:\n        r = client.get(url)\n        sys.stdout.buffer.write(f'{r.status_code} {r.headers.get(\"content-type\")}\\n'.encode() + r.content + b'\\n')\n",
        )),
    },
    Client {
        name: "node-fetch",
        // Node 24 and later follow the proxy variables by themselves; before, undici's agent does it for fetch.
        probe: &[
            "node",
            "-e",
            "if (+process.versions.node.split('.')[0] < 24) require(process.env.TEST_NODE_MODULES + '/undici')",
        ],
        run: &["node", "client.js"],
        script: Some((
            "client.js",
            "(async () => {\n  if (+process.versions.node.split('.')[0] < 24) {\n    const undici = require(process.env.TEST_NODE_MODULES + '/undici');\n    undici.setGlobalDispatcher(new undici.EnvHttpProxyAgent());\n  }\n  for (const url of process.argv.slice(2)) {\n    const r = await fetch(url, { redirect: 'manual' });\n    process.stdout.write(`${r.status} ${r.headers.get('content-type')}\\n`);\n    process.stdout.write(Buffer.from(await r.arrayBuffer()));\n    process.stdout.write('\\n');\n  }\n})().catch((error) => { console.error(error); process.exit(1); });\n",
        )),
    },
    Client {
        name: "node-https",
        probe: &["node", "--version"],
        run: &["node", "client_https.js"],
        script: Some(("client_https.js", NODE_HTTPS)),
    },
    Client {
        name: "java-httpclient",
        probe: &["java", "-version"],
        run: &["java", "Client.java"],
        script: Some((
            "Client.java",
            "import java.net.URI;\nimport java.net.http.*;\n\npublic class Client {\n    public static void main(String[] urls) throws Exception {\n        var client = HttpClient.newHttpClient();\n        for (String url : urls) {\n            var request = HttpRequest.newBuilder(URI.create(url)).build();\n            var response = client.send(request, HttpResponse.BodyHandlers.ofByteArray());\n            System.out.println(response.statusCode() + \" \" + response.headers().firstValue(\"content-type\").orElse(\"\"));\n            System.out.write(response.body());\n            System.out.println();\n        }\n        System.out.flush();\n    }\n}\n",
        )),
    },
];

/// Node's own https module through a CONNECT tunnel: what agents of every Node version do.
const NODE_HTTPS: &str = r"const http = require('http'), https = require('https');
const proxy = new URL(process.env.HTTPS_PROXY);
function get(url) {
  return new Promise((resolve, reject) => {
    const to = new URL(url);
    const port = to.port || 443;
    http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: `${to.hostname}:${port}` })
      .on('connect', (_, socket) => {
        https.get({ host: to.hostname, port, path: to.pathname + to.search, socket, agent: false, servername: to.hostname, headers: { 'accept-encoding': 'gzip' } }, (response) => {
          const pieces = [];
          response.on('data', (piece) => pieces.push(piece));
          response.on('end', () => resolve([response, Buffer.concat(pieces)]));
        }).on('error', reject);
      }).on('error', reject).end();
  });
}
(async () => {
  for (const url of process.argv.slice(2)) {
    const [response, body] = await get(url);
    // What speaks of one connection, or frames the message, is between each two peers.
    const own = /^(connection|keep-alive|content-length|transfer-encoding)$/i;
    const raw = response.rawHeaders;
    const lines = raw.filter((_, at) => !own.test(raw[at - (at % 2)]));
    process.stdout.write(`${response.statusCode} ${response.statusMessage} ${JSON.stringify(lines)}\n`);
    process.stdout.write(body);
    process.stdout.write('\n');
  }
})().catch((error) => { console.error(error); process.exit(1); });
";

impl Client {
    /// The command line to fetch these URLs; scripts are written into `dir`. `None`, with a word about it, when the
    /// client is not installed.
    pub fn command_line(&self, dir: &Path, urls: &[String]) -> Option<Vec<String>> {
        if !runs(self.probe) {
            super::skip(self.name, "not installed");
            return None;
        }
        let mut line: Vec<String> = self.run.iter().map(ToString::to_string).collect();
        if let Some((name, text)) = self.script {
            let path = dir.join(name);
            std::fs::write(&path, text).unwrap();
            for word in &mut line {
                if word == name {
                    *word = path.to_str().unwrap().to_owned();
                }
            }
        }
        line.extend(urls.iter().cloned());
        Some(line)
    }
}

/// Whether a command runs to success.
pub fn runs(command: &[&str]) -> bool {
    let mut probe = Command::new(command[0]);
    probe.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// A small git repository to be cloned over the dumb HTTP protocol: plain files. `None` when git is not installed.
pub fn git_repository(dir: &Path) -> Option<PathBuf> {
    if !runs(&["git", "--version"]) {
        super::skip("git", "not installed");
        return None;
    }
    let work = dir.join("repository");
    std::fs::create_dir(&work).unwrap();
    std::fs::write(work.join("README"), "a repository to clone\n").unwrap();
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t.test", "-c", "init.defaultBranch=main"]).args(args);
        let output = command.current_dir(&work).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q"]);
    git(&["add", "README"]);
    git(&["commit", "-q", "-m", "first"]);
    git(&["update-server-info"]);
    Some(work.join(".git"))
}
