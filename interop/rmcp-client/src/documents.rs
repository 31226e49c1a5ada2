//! The host of the clients' document: `interop-documents CA_FILE` writes its certificate authority to
//! the file, prints the `client_id` of a public client with a loopback redirection URI, and serves the
//! document until standard input ends.
#![allow(
    clippy::print_stdout,
    reason = "the client_id is this program's output"
)]

use std::{env, error::Error, fs};

use mcp_auth_testkit::DocumentHost;
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let ca_file = env::args().nth(1).ok_or("the first argument is a file")?;
    let host = DocumentHost::start().await?;
    fs::write(ca_file, host.ca_pem())?;
    println!(
        "{}",
        host.publish("/client.json", &["http://127.0.0.1/callback"])
    );
    stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
