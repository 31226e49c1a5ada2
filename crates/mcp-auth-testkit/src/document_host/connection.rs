//! One connection: one request, one answer, written by hand because hostile answers are no HTTP that
//! a library would send.

use std::{fmt::Write as _, io, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{DocumentAnswer, DocumentRequest, Served, answer::Body, lock};

pub(super) async fn serve<S>(mut stream: S, served: &Served) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let request = read(&mut stream).await?;
    let answer = lock(&served.answers).get(&request.path).cloned();
    lock(&served.requests).push(request);
    let answer = answer.unwrap_or_else(|| DocumentAnswer::status(404));
    write(&mut stream, &answer).await?;
    stream.shutdown().await
}

async fn read<S: AsyncRead + Unpin + Send>(stream: &mut S) -> io::Result<DocumentRequest> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let target = lines.next().unwrap_or_default().split(' ').nth(1);
    let headers = lines.filter_map(|line| line.split_once(':'));
    Ok(DocumentRequest {
        path: target.unwrap_or_default().to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
    })
}

async fn write<S>(stream: &mut S, answer: &DocumentAnswer) -> io::Result<()>
where
    S: AsyncWrite + Unpin + Send,
{
    if matches!(answer.body, Body::Silence) {
        tokio::time::sleep(FOR_EVER).await;
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} Answer\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    match &answer.body {
        Body::Whole(body) => {
            let _ = write!(head, "content-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body).await
        }
        Body::Chunks { bytes } => {
            head.push_str("transfer-encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            for _ in 0..bytes.div_ceil(0x1000) {
                stream.write_all(chunk.as_bytes()).await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Body::Drip { every } => {
            head.push_str("content-length: 1000000\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b" ").await?;
                stream.flush().await?;
                tokio::time::sleep(*every).await;
            }
        }
        Body::Silence => Ok(()),
    }
}

const MAX_HEAD: usize = 16 * 1024;
const FOR_EVER: Duration = Duration::from_secs(3600);
