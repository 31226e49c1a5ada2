//! A record as one string: form, version, expiry, index names, sealed content.

use mcp_auth::{
    oauth::Timestamp,
    store::{IndexName, Record, Version, Versioned},
};

/// What the scripts compare: the form and the version.
pub(crate) const HEAD: usize = 1 + 8;

/// The first bytes of a record of this version.
pub(crate) fn head(version: Version) -> [u8; HEAD] {
    let mut head = [FORM; HEAD];
    if let Some(rest) = head.get_mut(1..) {
        rest.copy_from_slice(&version.0.to_be_bytes());
    }
    head
}

/// None if the record has more names than anybody lists it under.
pub(crate) fn pack(record: &Record, version: Version) -> Option<Vec<u8>> {
    let names = u16::try_from(record.indexes.len()).ok()?;
    let room = HEAD + 8 + 2 + record.indexes.len() * NAME + record.sealed.len();
    let mut bytes = Vec::with_capacity(room);
    bytes.extend_from_slice(&head(version));
    bytes.extend_from_slice(&record.expires_at.as_seconds().to_be_bytes());
    bytes.extend_from_slice(&names.to_be_bytes());
    for name in &record.indexes {
        bytes.extend_from_slice(name.as_bytes());
    }
    bytes.extend_from_slice(&record.sealed);
    Some(bytes)
}

/// None if these are not the bytes of a record.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Versioned> {
    let (&[form], rest) = bytes.split_first_chunk()?;
    if form != FORM {
        return None;
    }
    let (&version, rest) = rest.split_first_chunk()?;
    let (&expires_at, rest) = rest.split_first_chunk()?;
    let (&names, rest) = rest.split_first_chunk()?;
    let names = usize::from(u16::from_be_bytes(names)) * NAME;
    let (names, sealed) = rest.split_at_checked(names)?;
    let names = names.chunks_exact(NAME);
    let names = names.filter_map(|name| Some(IndexName::from_bytes(name.try_into().ok()?)));
    let expires_at = Timestamp::from_seconds(u64::from_be_bytes(expires_at));
    let record = Record::new(sealed.to_vec(), expires_at).with_indexes(names.collect());
    let version = Version(u64::from_be_bytes(version));
    Some(Versioned::new(record, version))
}

/// Before every record; another form gets another number.
const FORM: u8 = 1;
/// The length of an index name.
const NAME: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(names: u32) -> Record {
        let names = (0..names).map(|n| IndexName::new("user", &n.to_be_bytes()));
        Record::new(b"sealed".to_vec(), Timestamp::from_seconds(u64::MAX))
            .with_indexes(names.collect())
    }

    #[test]
    fn comes_back_as_it_was() {
        for names in [0, 1, 2, 300] {
            let version = Version(u64::from(names) << 40 | 0xff);
            let packed = pack(&record(names), version).unwrap();
            assert_eq!(packed[..HEAD], head(version));
            let wanted = Versioned::new(record(names), version);
            assert_eq!(unpack(&packed), Some(wanted));
        }
    }

    #[test]
    fn takes_nothing_that_was_cut_short_or_comes_from_elsewhere() {
        let packed = pack(&record(2), Version(7)).unwrap();
        for length in 0..packed.len() - "sealed".len() {
            assert_eq!(unpack(&packed[..length]), None, "{length} bytes");
        }
        assert_eq!(unpack(b"{\"a\":\"record of somebody else\"}"), None);
        assert_eq!(unpack(&[FORM; 200]), None, "more names than bytes");
    }

    #[test]
    fn has_no_room_for_names_that_cannot_be_counted() {
        let many = vec![IndexName::new("user", b""); 70_000];
        let record = record(0).with_indexes(many);
        assert_eq!(pack(&record, Version(1)), None);
    }
}
