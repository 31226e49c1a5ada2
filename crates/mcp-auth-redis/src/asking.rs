//! Asking the servers: within the deadline, again where a connection was lost, and drawing the
//! consequences where no answer comes.

use std::{sync::Arc, time::Duration};

use mcp_auth::store::StoreError;
use redis::{Cmd, ErrorKind, RedisError, Value};
use tokio::time::Instant;

use crate::{
    connection::Connection,
    failure::{Failure, Verdict},
    link::{Generation, Link},
    script::{Call, Script},
    store::RedisStore,
};

pub(crate) enum Question<'a> {
    Command(Cmd, Vec<u8>),
    Script(&'a Script, Call<'a>),
    /// A call of [`REMOVE`](crate::script::REMOVE).
    Remove(Call<'a>),
    Write(&'a Write<'a>),
}

impl Question<'_> {
    /// All keys that it touches.
    fn keys(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Command(_, key) => vec![key.clone()],
            Self::Script(_, call) | Self::Remove(call) => call.keys.clone(),
            Self::Write(write) => {
                let mut keys = write.indexes.clone();
                keys.push(write.record.clone());
                keys
            }
        }
    }
}

pub(crate) struct Write<'a> {
    pub(crate) record: Vec<u8>,
    pub(crate) indexes: Vec<Vec<u8>>,
    /// Of [`WRITE`](crate::script::WRITE).
    pub(crate) arguments: [&'a [u8]; 5],
}

pub(crate) struct Answer {
    pub(crate) value: Value,
    /// Whether the question was asked before, and may have been carried out then.
    pub(crate) second_try: bool,
}

impl RedisStore {
    /// Asks within the deadline; again, on a new connection, where the first was lost: a network in
    /// between that cut a quiet connection is nobody's outage.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<Answer, StoreError> {
        let mut flight = Flight {
            link: &self.link,
            question,
            patience: self.deadline.min(LONG_ENOUGH),
            on: None,
        };
        let asked = self.ask_again(question, &mut flight.on);
        let asked = tokio::time::timeout(self.deadline, asked).await;
        let on = flight.on.take();
        asked.unwrap_or_else(|_| {
            let late = Failure::new("the server did not answer within the deadline");
            if let Some((generation, _)) = on {
                self.link.is_silent(generation, question.keys(), &late);
            }
            Err(late.unavailable())
        })
    }

    async fn ask_again(
        &self,
        question: &Question<'_>,
        on: &mut Option<(Generation, Instant)>,
    ) -> Result<Answer, StoreError> {
        let (mut second_try, mut tries) = (false, 0);
        loop {
            let connected = self.link.connection().await;
            let (mut connection, generation) =
                connected.map_err(|away| Failure::new(&away.to_string()).unavailable())?;
            *on = Some((generation, Instant::now()));
            let error = match self.send(question, &mut connection).await {
                Ok(value) => return Ok(Answer { value, second_try }),
                Err(error) => error,
            };
            let (verdict, failure) = (Verdict::of(&error), Failure::of(&error));
            if connection.is_gone_with(verdict, &error) {
                self.link.lost(generation, &failure);
            }
            // What was never sent leaves no doubt about its outcome.
            let never_sent = error.kind() == ErrorKind::ClusterConnectionNotFound;
            second_try |= !never_sent;
            tries += 1;
            if verdict != Verdict::Dropped || tries >= connection.tries() {
                return Err(verdict.to_error(failure));
            }
            if tries > 1 {
                tokio::time::sleep(BEFORE_ANOTHER_TRY).await;
            }
        }
    }

    async fn send(
        &self,
        question: &Question<'_>,
        connection: &mut Connection,
    ) -> Result<Value, RedisError> {
        match question {
            Question::Command(command, _) => connection.query(command).await,
            Question::Script(script, call) => script.run(connection, call).await,
            // The indexes lie on other nodes; what they have too much is checked when it is loaded.
            Question::Remove(call) if connection.is_cluster() => {
                let mut command = redis::cmd("DEL");
                command.arg(&call.keys);
                connection.query(&command).await
            }
            Question::Remove(call) => self.remove.run(connection, call).await,
            Question::Write(write) => self.send_write(write, connection).await,
        }
    }

    /// One step for all of it where one server has it all; on a cluster first the indexes, each on
    /// its own node, so that none ever misses a live record.
    async fn send_write(
        &self,
        write: &Write<'_>,
        connection: &mut Connection,
    ) -> Result<Value, RedisError> {
        let [_, _, _, key, score] = write.arguments;
        let mut keys = vec![write.record.clone()];
        if connection.is_cluster() {
            for index in &write.indexes {
                let enter = Call {
                    keys: vec![index.clone()],
                    arguments: vec![key, score],
                };
                self.enter.run(connection, &enter).await?;
            }
        } else {
            keys.extend(write.indexes.iter().cloned());
        }
        let arguments = write.arguments.to_vec();
        self.write.run(connection, &Call { keys, arguments }).await
    }
}

/// A question that is under way. Whoever asked may have less patience than the store and go away: a
/// connection that was silent for that long has to be noticed all the same.
struct Flight<'a> {
    link: &'a Arc<Link>,
    question: &'a Question<'a>,
    patience: Duration,
    /// What it was sent on, and when.
    on: Option<(Generation, Instant)>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if let Some((generation, sent)) = self.on
            && sent.elapsed() >= self.patience
        {
            let late = Failure::new("the server did not answer before the caller gave up");
            self.link.is_silent(generation, self.question.keys(), &late);
        }
    }
}

/// After this time without an answer a connection is not trusted any more, whoever stops waiting.
const LONG_ENOUGH: Duration = Duration::from_secs(1);
/// For a cluster's client to notice what it lost.
const BEFORE_ANOTHER_TRY: Duration = Duration::from_millis(20);
