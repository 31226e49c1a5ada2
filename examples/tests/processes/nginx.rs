//! Three processes behind nginx, with the very configuration that docs/deployment.md gives.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use mcp_auth_testkit::services::{ServerProcess, free_port, installed};

use crate::{site::Site, stores::SharedStore};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_sign_in_behind_the_documented_nginx_while_processes_come_and_go() {
    let Some(program) = installed("nginx", &["/usr/sbin".as_ref()]) else {
        return;
    };
    let Some(store) = SharedStore::sqlite() else {
        return;
    };
    let trusted = ("MCP_AUTH_TRUSTED_PROXIES", "127.0.0.1");
    let mut site = Site::start(3, &store.url, &[trusted]).await;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
    let folder = site.scratch.path().join("nginx");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("nginx.conf"), configuration(&site, address)).unwrap();
    let mut command = Command::new(program);
    command
        .args([
            "-p",
            folder.to_str().unwrap(),
            "-c",
            "nginx.conf",
            "-e",
            "error.log",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut nginx = ServerProcess::start(&mut command).unwrap();
    nginx
        .wait_for(address, Duration::from_secs(20))
        .unwrap_or_else(|error| {
            panic!(
                "{error}: {:?}",
                fs::read_to_string(folder.join("error.log"))
            )
        });
    // The public URL leads to nginx, and nginx to the processes.
    site.front.lead_to(vec![address]);

    let mut session = site.sign_in().await;
    for gone in 0..3 {
        site.servers[gone].kill();
        for _ in 0..6 {
            session.tokens = refreshed(&session).await;
            let token = &session.tokens.access_token;
            assert!(session.host.call_tool(token, "whoami").await.is_ok());
        }
        site.servers[gone].begin();
    }
    let other = site.sign_in_as("bob", "builder").await;
    assert!(
        other
            .host
            .call_tool(&other.tokens.access_token, "whoami")
            .await
            .is_ok()
    );
    nginx.signal("QUIT").unwrap();
}

/// A `POST` that met a process that was gone is not sent on by nginx; a host sends it again.
async fn refreshed(session: &crate::site::Session) -> mcp_auth_testkit::scripted_host::Tokens {
    let mut refused = Vec::new();
    for _ in 0..20 {
        match session.refresh_at(&session.discovery).await {
            Ok(answer) if answer.status == 200 => return answer.granted().unwrap(),
            Ok(answer) => {
                assert!(answer.status >= 500, "{answer:?}");
                refused.push(answer.status.to_string());
            }
            Err(error) => refused.push(error.to_string()),
        }
    }
    panic!("a refresh was never answered: {refused:?}");
}

/// The page's block, without TLS and with the ports of this test.
fn configuration(site: &Site, address: SocketAddr) -> String {
    let page = include_str!("../../../docs/deployment.md");
    let (_, block) = page.split_once("```nginx\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut conf = String::from(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {}\nhttp {\n\
         access_log off;\nclient_body_temp_path body;\nproxy_temp_path proxy;\n\
         fastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n",
    );
    for line in block.lines() {
        let line = match line.trim() {
            text if text.starts_with("ssl_") => String::new(),
            "listen 443 ssl;" => format!("listen {address};"),
            "server_name mcp.example.com;" => "server_name _;".into(),
            _ => line.to_owned(),
        };
        conf.push_str(&line);
        conf.push('\n');
    }
    for (n, server) in site.servers.iter().enumerate() {
        let documented = format!("127.0.0.1:800{} ", n + 1);
        assert!(conf.contains(&documented), "the page names {documented}");
        conf = conf.replace(&documented, &format!("{} ", server.address()));
    }
    conf.push_str("}\n");
    conf
}
