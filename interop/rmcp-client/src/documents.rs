//! The host of the clients' document: `interop-documents CA_FILE` writes its certificate authority to
//! the file, prints the `client_id` of a public client with a loopback redirection URI, and serves the
//! document until standard input ends.
#![allow(
    clippy::print_stdout,
    reason = "the client_id is this program's output"
)]

use std::{env, error::Error, fs};

use mcp_auth_testkit::{DocumentHost, document_host::document};
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let ca_file = env::args().nth(1).ok_or("the first argument is a file")?;
    let host = DocumentHost::start().await?;
    fs::write(ca_file, host.ca_pem())?;
    let client_id = host.url("/client.json");
    let mut document = document(&client_id, &["http://127.0.0.1/callback"]);
    if let Some(document) = document.as_object_mut() {
        // Without it some providers take the port of a redirection URI literally.
        document.insert("application_type".to_owned(), "native".into());
    }
    host.serve("/client.json", &document);
    println!("{client_id}");
    stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
