//! Where a new stub and a new scenario find their place in a collection.

use super::key::StubKey;
use super::manifest::Manifest;
use super::stub::Stub;
use super::{Collection, StubFile, file_name};

/// The first of `name`, `name-2`, `name-3`… that is free, with a separator such as `-`.
pub fn free_name(name: &str, separator: char, taken: impl Fn(&str) -> bool) -> String {
    let mut free = name.to_owned();
    let mut number = 2u32;
    while taken(&free) {
        free = format!("{name}{separator}{number}");
        number += 1;
    }
    free
}

/// The position of the stub, which is made if it is not there.
pub(super) fn stub_at(collection: &mut Collection, key: &StubKey) -> usize {
    if let Some(at) = collection.stubs.iter().position(|file| key.is_of(&file.stub)) {
        return at;
    }
    list_origin(&mut collection.manifest, key);
    let stub = Stub::new(key.method.clone(), key.origin.clone(), key.path.clone());
    insert(collection, stub)
}

fn list_origin(manifest: &mut Manifest, key: &StubKey) {
    let one_host = |known: &super::OriginPattern| {
        known.scheme == key.origin.scheme
            && known.port == key.origin.port
            && (known.host == key.origin.host || (known.is_loopback() && key.origin.is_loopback()))
    };
    if !manifest.origins.iter().any(one_host) {
        manifest.origins.push(key.origin.clone());
    }
}

/// Adds a stub under a free file name, in the order of the files; its position.
pub(super) fn insert(collection: &mut Collection, stub: Stub) -> usize {
    let taken = |path: &str| collection.stubs.iter().any(|file| file.path.eq_ignore_ascii_case(path));
    let path = file_name(&stub, taken);
    let at = collection.stubs.partition_point(|file| file.path < path);
    collection.stubs.insert(at, StubFile { path, stub: stub.into() });
    at
}
