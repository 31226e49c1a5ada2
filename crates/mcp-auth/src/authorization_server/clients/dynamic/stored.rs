//! Clients that registered themselves, as records in the store.
//!
//! A registration must not end before its grants do, and the store swaps one record at a time. So
//! whoever is about to give a grant a longer life gives its registration one first
//! ([`StoredClients::keep_until`]), and goes no further if the registration is gone. A process that
//! dies between the two leaves a registration that lives too long, never a grant without one; and of
//! a removal and a refresh at the same time one comes first, after which the other finds nothing. A
//! grant that is inserted, and not swapped, cannot lose to a removal: whoever inserts one looks at the
//! registration once more ([`StoredClients::is_kept`]).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::sync::Mutex;

use super::{CutOff, DynamicClients, IssueError, Issued, StoredRegistration, StoredRegistrations};
use crate::{
    authorization_server::clients::{
        Client, ClientKind, ClientResolver, ResolveError, Said, client::derived_secret,
    },
    oauth::{
        AccessToken, ClientAuthenticationMethod, ClientId, ClientMetadata, ClientSecret, Random,
        Timestamp, sha256,
    },
    store::{IndexName, Insert, Loaded, RecordKey, Records, Replace, Sealer, StoreError, Version},
};

/// The registrations in the store.
#[derive(Debug)]
pub(crate) struct StoredClients {
    records: Records,
    /// A client's secret is derived from its identifier, so no store holds it.
    secrets: Sealer,
    redirect_schemes: Vec<String>,
    cut_off: CutOff,
    settings: StoredRegistrations,
    counted: Mutex<Counted>,
    random: Arc<dyn Random>,
}

/// A registration whose own access token was presented (RFC 7592 §2).
///
/// Made by [`StoredClients::managed`] alone.
pub(in crate::authorization_server) struct Managed {
    registration: StoredRegistration,
    version: Version,
    expires_at: Timestamp,
}

/// How many there are, as far as this process knows.
#[derive(Debug, Default)]
struct Counted {
    count: usize,
    at: Option<Timestamp>,
    /// When there were too few places to look for more soon, and how long it takes until then.
    rest: Option<(Timestamp, Duration)>,
}

impl StoredClients {
    /// With the schemes, the cut-offs and the secrets of sealed clients.
    pub(crate) fn new(
        rules: &DynamicClients,
        records: Records,
        settings: StoredRegistrations,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            records,
            secrets: rules.secrets.clone(),
            redirect_schemes: rules.redirect_schemes.clone(),
            cut_off: rules.cut_off.clone(),
            settings,
            counted: Mutex::default(),
            random,
        }
    }

    /// Whether an identifier is one of those that are given out here; the registrations of others lie
    /// elsewhere, with a resolver of the operator's.
    pub(in crate::authorization_server) fn names(id: &ClientId) -> bool {
        id.as_str().starts_with(PREFIX)
    }

    pub(in crate::authorization_server) fn redirect_schemes(&self) -> &[String] {
        &self.redirect_schemes
    }

    pub(super) async fn issue(
        &self,
        metadata: &ClientMetadata,
        said: Said,
        now: Timestamp,
    ) -> Result<Issued, IssueError> {
        self.make_room(now).await.map_err(IssueError::Store)?;
        let name = URL_SAFE_NO_PAD.encode(self.random.bytes::<16>());
        let id = ClientId::parse(&format!("{PREFIX}{name}")).map_err(|_| IssueError::TooLong)?;
        let access = AccessToken::new(self.random.token());
        let hash = sha256(access.expose().as_bytes());
        let registration = StoredRegistration::new(id.clone(), hash, now, metadata, said);
        let expires_at = now.plus(self.settings.lifetime);
        let inserted = self
            .records
            .insert(&key(&id), &registration, expires_at, vec![index()])
            .await;
        match inserted.map_err(IssueError::Store)? {
            Insert::Inserted => Ok(Issued {
                secret: self.secret(&id, metadata.token_endpoint_auth_method),
                id,
                access: Some(access),
            }),
            Insert::Exists => Err(IssueError::Store(StoreError::Failed(
                "a random key exists already".into(),
            ))),
        }
    }

    /// What a registration says of its client; a redirection URI that is not allowed any more is left
    /// out.
    pub(in crate::authorization_server) fn metadata(
        &self,
        registration: &StoredRegistration,
    ) -> ClientMetadata {
        registration.metadata(&self.redirect_schemes)
    }

    /// The secret of a client that authenticates with one.
    pub(in crate::authorization_server) fn secret(
        &self,
        id: &ClientId,
        method: ClientAuthenticationMethod,
    ) -> Option<ClientSecret> {
        match method {
            ClientAuthenticationMethod::None => None,
            _ => Some(derived_secret(&self.secrets, id)),
        }
    }

    /// Whether this is the secret of the client, under any key of the ring.
    pub(in crate::authorization_server) fn is_secret(&self, client: &Managed, text: &str) -> bool {
        let client = self.client(&client.registration);
        client.is_confidential() && client.authenticate(Some(&ClientSecret::new(text))).is_ok()
    }

    /// The registration that this token opens; none if there is none, it was cut off, or the token is
    /// another's.
    pub(in crate::authorization_server) async fn managed(
        &self,
        id: &ClientId,
        presented: &AccessToken,
    ) -> Result<Option<Managed>, StoreError> {
        let Some(loaded) = self.load(id).await? else {
            return Ok(None);
        };
        let presented = sha256(presented.expose().as_bytes());
        let opens = verify_slices_are_equal(&presented, &loaded.value.access).is_ok();
        let good = opens && self.cut_off.check(id, loaded.value.issued_at).is_ok();
        Ok(good.then_some(Managed {
            registration: loaded.value,
            version: loaded.version,
            expires_at: loaded.expires_at,
        }))
    }

    /// Writes what a client says of itself now in place of what it said before.
    pub(in crate::authorization_server) async fn replace(
        &self,
        managed: &Managed,
        metadata: &ClientMetadata,
        said: Said,
    ) -> Result<Replace, StoreError> {
        let old = &managed.registration;
        let (id, access, issued_at) = (old.id.clone(), old.access, old.issued_at);
        let mut registration = StoredRegistration::new(id, access, issued_at, metadata, said);
        registration.used = old.used;
        self.write(&registration, managed.version, managed.expires_at)
            .await
    }

    /// Makes a registration outlive a grant of its own that ends at this moment; says whether there
    /// is one.
    ///
    /// A grant that is refreshed every hour costs a write of its registration every half lifetime.
    pub(in crate::authorization_server) async fn keep_until(
        &self,
        id: &ClientId,
        grant_end: Timestamp,
    ) -> Result<bool, StoreError> {
        loop {
            let Some(mut loaded) = self.load(id).await? else {
                return Ok(false);
            };
            let lifetime = self.settings.lifetime;
            if loaded.value.used && loaded.expires_at >= grant_end.plus(lifetime / 2) {
                return Ok(true);
            }
            loaded.value.used = true;
            let expires_at = loaded.expires_at.max(grant_end.plus(lifetime));
            let written = self.write(&loaded.value, loaded.version, expires_at);
            if written.await? == Replace::Replaced {
                return Ok(true);
            }
        }
    }

    /// Whether there is such a registration at this moment.
    pub(in crate::authorization_server) async fn is_kept(
        &self,
        id: &ClientId,
    ) -> Result<bool, StoreError> {
        Ok(self.load(id).await?.is_some())
    }

    /// Removes a registration; says whether there was one. Its grants are left to the caller.
    pub(in crate::authorization_server) async fn remove(
        &self,
        id: &ClientId,
    ) -> Result<bool, StoreError> {
        let was_there = self.is_kept(id).await?;
        self.records.remove(&key(id)).await?;
        Ok(was_there)
    }

    /// Every registration, with the moment it ends.
    pub(in crate::authorization_server) async fn all(
        &self,
    ) -> Result<Vec<(StoredRegistration, Timestamp)>, StoreError> {
        let mut all = Vec::new();
        for key in self.keys().await? {
            if let Some(loaded) = self.records.load::<StoredRegistration>(&key).await? {
                all.push((loaded.value, loaded.expires_at));
            }
        }
        Ok(all)
    }

    async fn load(&self, id: &ClientId) -> Result<Option<Loaded<StoredRegistration>>, StoreError> {
        if !Self::names(id) {
            return Ok(None);
        }
        self.records.load(&key(id)).await
    }

    async fn write(
        &self,
        registration: &StoredRegistration,
        version: Version,
        expires_at: Timestamp,
    ) -> Result<Replace, StoreError> {
        let key = key(&registration.id);
        let indexes = vec![index()];
        self.records
            .replace(&key, version, registration, expires_at, indexes)
            .await
    }

    fn client(&self, registration: &StoredRegistration) -> Client {
        let metadata = self.metadata(registration);
        let client = Client::new(registration.id.clone(), ClientKind::Dynamic, metadata);
        client.with_derived_secret(self.secrets.clone())
    }

    async fn keys(&self) -> Result<Vec<RecordKey>, StoreError> {
        let (index, mut keys, mut cursor) = (index(), Vec::new(), None);
        loop {
            let page = self.records.list(&index, cursor.as_ref(), PAGE).await?;
            keys.extend(page.keys);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(keys),
            }
        }
    }

    /// Holds the number of registrations to what the operator allows.
    ///
    /// Refusing the newcomer would let whoever floods shut everybody else out for a whole lifetime,
    /// so the oldest that never led to a token give way: a host asks for one right after it registered.
    async fn make_room(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut counted = self.counted.lock().await;
        let lasts = |at: Timestamp, how_long| at <= now && now.since(at) < how_long;
        if !counted.at.is_some_and(|at| lasts(at, RECOUNT)) {
            counted.count = self.keys().await?.len();
            counted.at = Some(now);
        }
        let rests = counted
            .rest
            .is_some_and(|(since, how_long)| lasts(since, how_long));
        if counted.count >= self.settings.capacity && !rests {
            counted.count = self.sweep().await?;
            // Looking reads every registration, and any stranger can bring it about: the fewer places
            // there were, the longer it takes until it happens again.
            counted.rest = match self.settings.capacity.saturating_sub(counted.count) {
                0 => Some((now, REST_IN_VAIN)),
                few if few < self.reserve() => Some((now, REST)),
                _ => None,
            };
            tracing::warn!(
                event = "registrations_full",
                fault = "client",
                left = counted.count,
                "the oldest registrations without a token gave way"
            );
        }
        if counted.count >= self.settings.capacity {
            return Err(StoreError::Full);
        }
        counted.count += 1;
        Ok(())
    }

    /// The places that are made free at a time: a tenth of them.
    const fn reserve(&self) -> usize {
        self.settings.capacity / 10
    }

    /// Ends the oldest unused registrations until the reserve is free; says how many registrations are
    /// left.
    async fn sweep(&self) -> Result<usize, StoreError> {
        let (mut live, mut unused) = (0, Vec::new());
        for key in self.keys().await? {
            if let Some(loaded) = self.records.load::<StoredRegistration>(&key).await? {
                live += 1;
                if !loaded.value.used {
                    unused.push((loaded.value.issued_at, key, loaded.version));
                }
            }
        }
        unused.sort_unstable();
        let wanted = self.settings.capacity - self.reserve();
        for (_, key, version) in unused {
            if live <= wanted {
                break;
            }
            // A swap to a record that is over, and not a removal: whoever redeems a code of it at
            // this moment wins one of the two.
            let ended = self.records.replace(&key, version, &(), OVER, Vec::new());
            if ended.await? == Replace::Replaced {
                self.records.remove(&key).await?;
                live -= 1;
            }
        }
        Ok(live)
    }
}

#[async_trait]
impl ClientResolver for StoredClients {
    async fn resolve(&self, id: &ClientId) -> Result<Client, ResolveError> {
        let loaded = self.load(id).await;
        let loaded = loaded.map_err(|error| ResolveError::Unavailable(error.into()))?;
        let registration = loaded.ok_or(ResolveError::Unknown)?.value;
        self.cut_off.check(id, registration.issued_at)?;
        let client = self.client(&registration);
        if client.redirect_uris().is_empty() {
            return Err(ResolveError::Refused(
                "none of its redirection URIs is allowed any more",
            ));
        }
        Ok(client)
    }
}

impl Managed {
    pub(in crate::authorization_server) const fn registration(&self) -> &StoredRegistration {
        &self.registration
    }
}

fn key(id: &ClientId) -> RecordKey {
    RecordKey::new("registration", id.as_str().as_bytes())
}

fn index() -> IndexName {
    IndexName::new("registrations", b"")
}

/// What every stored identifier begins with: neither a URL nor a sealed registration does.
const PREFIX: &str = "reg.";
const PAGE: usize = 500;
const RECOUNT: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_secs(60);
const REST_IN_VAIN: Duration = Duration::from_secs(600);
/// Over by any clock.
const OVER: Timestamp = Timestamp::from_seconds(0);
