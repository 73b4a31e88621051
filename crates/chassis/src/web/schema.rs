//! The message types of the methods, for JSON.

use std::sync::{Arc, OnceLock};

use protojson::Pool;
use tonic_reflection::pb;

use crate::{method::Method, proto::grpc::health::v1::health_server};

/// The descriptor sets of a server. Each is read when it is needed first: a server that has only
/// callers of gRPC needs none.
#[derive(Debug)]
pub(crate) struct Schemas(Vec<Set>);

#[derive(Debug)]
struct Set {
    encoded: &'static [u8],
    /// `None` if it is not complete, such as for lack of an import.
    pool: OnceLock<Option<Arc<Pool>>>,
}

/// The message types of a method.
#[derive(Debug, Clone)]
pub(super) struct Types {
    pub(super) pool: Arc<Pool>,
    /// The index of the request message in the pool.
    pub(super) input: usize,
    /// The index of the response message in the pool.
    pub(super) output: usize,
    /// Whether a call changes nothing, so that it may be a GET.
    pub(super) has_no_side_effects: bool,
}

impl Schemas {
    /// Returns the schemas of the chassis's own services, and of these sets.
    pub(crate) fn new(sets: &[&'static [u8]]) -> Self {
        let own = [
            health_server::DESCRIPTOR.file_descriptor_set,
            pb::v1::FILE_DESCRIPTOR_SET,
            pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let set = |encoded: &&'static [u8]| Set { encoded, pool: OnceLock::new() };
        // The chassis's own sets are last, so that an added service of the same name wins.
        Self(sets.iter().chain(&own).map(set).collect())
    }

    /// Returns the message types of a method, or `None` if no descriptor set has it.
    pub(super) fn types(&self, method: &Method) -> Option<Types> {
        self.0.iter().find_map(|set| {
            let pool = set.pool.get_or_init(|| read(set.encoded)).as_ref()?;
            let found = pool.method(method.service(), method.name()).ok()?;
            Some(Types {
                input: pool.message(&found.input)?,
                output: pool.message(&found.output)?,
                has_no_side_effects: found.has_no_side_effects,
                pool: Arc::clone(pool),
            })
        })
    }
}

fn read(encoded: &[u8]) -> Option<Arc<Pool>> {
    let mut pool = Pool::default();
    let added = protojson::read_set(encoded)
        .and_then(|files| files.into_iter().try_for_each(|file| pool.add(file)));
    match added.and_then(|()| pool.link()) {
        Ok(()) => Some(Arc::new(pool)),
        Err(problem) => {
            tracing::warn!(%problem, "a descriptor set cannot be read: its services have no JSON");
            None
        }
    }
}
