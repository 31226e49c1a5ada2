//! What a body asks for: JSON-RPC, as far as the decision needs it.
//!
//! Nothing is kept but methods and names, whatever the size of the rest. A key that is there twice
//! where one of them could decide is refused: parsers differ in which of two they take.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{Named, Operation, PROMPTS_GET, RESOURCES_READ, named_by};

/// One JSON-RPC message of a body.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Message {
    /// None for an answer to the server.
    pub(super) method: Option<Box<str>>,
    /// What `Mcp-Name` says of this message.
    pub(super) name: Option<Box<str>>,
    /// What has to be allowed.
    pub(in super::super) operations: Vec<Operation>,
}

/// The messages of a body: one, or those of a batch (2025-03-26).
///
/// # Errors
///
/// When it is no JSON, or not what JSON-RPC makes of it.
pub(in super::super) fn read(body: &[u8]) -> Result<Vec<Message>, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed::Json)?;
    let raw: OneOrMany = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Malformed::Shape,
        _ => Malformed::Json,
    })?;
    if raw.0.is_empty() {
        return Err(Malformed::Shape);
    }
    raw.0.into_iter().map(Message::of).collect()
}

/// Why a body says nothing that could be decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Malformed {
    /// It is no JSON.
    Json,
    /// It is JSON, but no message, or one with two meanings.
    Shape,
}

impl Message {
    fn of(raw: Raw) -> Result<Self, Malformed> {
        let Raw { members, params } = raw;
        let answers = members.result || members.error;
        let Some(method) = members.method else {
            // An answer to the server: it asks for nothing.
            return match answers && members.id {
                true => Ok(Self {
                    method: None,
                    name: None,
                    operations: Vec::new(),
                }),
                false => Err(Malformed::Shape),
            };
        };
        if answers {
            return Err(Malformed::Shape);
        }
        let text = |value: Member| match value {
            Member::Text(text) => Ok(Some(text)),
            Member::Absent => Ok(None),
            Member::Other => Err(Malformed::Shape),
        };
        let named = named_by(&method);
        let name = match (named, &*method) {
            (Some(Named::Resource), _) => text(params.uri)?,
            (Some(_), _) => text(params.name)?,
            (None, "tasks/get" | "tasks/update" | "tasks/cancel") => text(params.task_id)?,
            (None, _) => None,
        };
        // 2026-07-28 has no subscriptions by method: what says so is the handler, whatever is missing.
        let gone = matches!(&*method, "resources/subscribe" | "resources/unsubscribe");
        if named.is_some() && name.is_none() && !gone {
            return Err(Malformed::Shape);
        }
        let mut operations = vec![Operation {
            method: method.clone(),
            name: name.clone(),
        }];
        // What tells about something else needs what that needs.
        if &*method == "completion/complete" {
            operations.push(params.reference.operation().ok_or(Malformed::Shape)?);
        }
        if &*method == "subscriptions/listen" {
            let uris = params.notifications.subscriptions.into_iter();
            operations.extend(uris.map(|uri| Operation {
                method: RESOURCES_READ.into(),
                name: Some(uri),
            }));
        }
        Ok(Self {
            method: Some(method),
            name,
            operations,
        })
    }
}

struct OneOrMany(Vec<Raw>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON-RPC message or several")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMany, A::Error> {
                Ok(OneOrMany(vec![Object::default().visit_map(map)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(message) = seq.next_element::<Strict<Raw>>()? {
                    all.push(message.0);
                }
                Ok(OneOrMany(all))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Some members of an object; [`Object`] sees to it that none comes twice.
trait Members: Default {
    /// Takes the value of this member, which has to be read even if nothing looks at it.
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

#[derive(Default)]
struct Raw {
    members: TopLevel,
    params: Params,
}

#[derive(Default)]
struct TopLevel {
    method: Option<Box<str>>,
    id: bool,
    result: bool,
    error: bool,
}

impl Members for Raw {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "method" => self.members.method = Some(map.next_value()?),
            // The parameters of a method may be left out, and some write null for it.
            "params" => {
                let params: Option<Strict<Params>> = map.next_value()?;
                self.params = params.map(|params| params.0).unwrap_or_default();
            }
            _ => {
                match key {
                    "id" => self.members.id = true,
                    "result" => self.members.result = true,
                    "error" => self.members.error = true,
                    _ => {}
                }
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Params {
    name: Member,
    uri: Member,
    task_id: Member,
    reference: Reference,
    notifications: Notifications,
}

impl Members for Params {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "name" => self.name = map.next_value()?,
            "uri" => self.uri = map.next_value()?,
            "taskId" => self.task_id = map.next_value()?,
            "ref" => self.reference = map.next_value::<Strict<Reference>>()?.0,
            "notifications" => self.notifications = map.next_value::<Strict<_>>()?.0,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// What a completion is for.
#[derive(Default)]
struct Reference {
    kind: Member,
    name: Member,
    uri: Member,
}

impl Reference {
    fn operation(self) -> Option<Operation> {
        let (method, name) = match (self.kind, self.name, self.uri) {
            (Member::Text(kind), Member::Text(name), _) if &*kind == "ref/prompt" => {
                (PROMPTS_GET, name)
            }
            (Member::Text(kind), _, Member::Text(uri)) if &*kind == "ref/resource" => {
                (RESOURCES_READ, uri)
            }
            _ => return None,
        };
        Some(Operation {
            method: method.into(),
            name: Some(name),
        })
    }
}

impl Members for Reference {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "type" => self.kind = map.next_value()?,
            "name" => self.name = map.next_value()?,
            "uri" => self.uri = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// What a client wants to be told of.
#[derive(Default)]
struct Notifications {
    subscriptions: Vec<Box<str>>,
}

impl Members for Notifications {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "resourceSubscriptions" => {
                let uris: Option<Vec<Box<str>>> = map.next_value()?;
                self.subscriptions = uris.unwrap_or_default();
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// A value that decides only if it is a text.
#[derive(Default)]
enum Member {
    #[default]
    Absent,
    Text(Box<str>),
    Other,
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or another value")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Member, E> {
                Ok(Member::Text(text.into()))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Member, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Member::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Member::Other)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// An object, and nothing but one, without a key that is there twice.
struct Strict<T>(T);

impl<'de, T: Members> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Object::<T>::default())
            .map(Self)
    }
}

struct Object<T>(PhantomData<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Members> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut members = T::default();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            members.member(&key, &mut map)?;
            if !seen.insert(key) {
                return Err(de::Error::custom("a key is there twice"));
            }
        }
        Ok(members)
    }
}
