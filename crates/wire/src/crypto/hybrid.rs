//! X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem): ML-KEM-768 and X25519 beside each other. The
//! secret is safe as long as one of the two is. Traffic that is recorded today therefore stays
//! secret when quantum computers break X25519, and a fault of ML-KEM's code does not weaken X25519.
//!
//! rustls has it only with aws-lc, which makes the binary larger by megabytes.

use std::sync::LazyLock;

use ml_kem::{
    B32, Decapsulate, DecapsulationKey768, EncapsulationKey768, KeyExport, Seed, array::Array,
    ml_kem_768::Ciphertext,
};
use tokio_rustls::rustls::{
    Error, NamedGroup, PeerMisbehaved, ProtocolVersion,
    crypto::{
        ActiveKeyExchange, CompletedKeyExchange, SecureRandom, SharedSecret, SupportedKxGroup,
        ring::{self, kx_group::X25519},
    },
    ffdhe_groups::FfdheGroup,
};

/// The length in bytes of X25519's part of a share, which follows that of ML-KEM.
const X25519_LENGTH: usize = 32;

const INVALID: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

static RANDOM: LazyLock<&dyn SecureRandom> =
    LazyLock::new(|| ring::default_provider().secure_random);

/// The group X25519MLKEM768.
#[derive(Debug)]
pub(super) struct X25519MlKem768;

impl SupportedKxGroup for X25519MlKem768 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut seed = Seed::default();
        RANDOM.fill(&mut seed)?;
        let key = DecapsulationKey768::from_seed(seed);
        let x25519 = X25519.start()?;
        let public = [&key.encapsulation_key().to_bytes(), x25519.pub_key()].concat();
        Ok(Box::new(Active { key, x25519, public }))
    }

    fn start_and_complete(&self, client: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (key, x25519) = split(client)?;
        let key = Array::try_from(key).map_err(|_| INVALID)?;
        let key = EncapsulationKey768::new(&key).map_err(|_| INVALID)?;
        let x25519 = X25519.start_and_complete(x25519)?;
        let mut random = B32::default();
        RANDOM.fill(&mut random)?;
        let (ciphertext, secret) = key.encapsulate_deterministic(&random);
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [&ciphertext, &*x25519.pub_key].concat(),
            secret: both(&secret, &x25519.secret),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// A client's key exchange that waits for the server.
struct Active {
    key: DecapsulationKey768,
    x25519: Box<dyn ActiveKeyExchange>,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Active {
    fn complete(self: Box<Self>, server: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, x25519) = split(server)?;
        let ciphertext = Ciphertext::try_from(ciphertext).map_err(|_| INVALID)?;
        let x25519 = self.x25519.complete(x25519)?;
        Ok(both(&self.key.decapsulate(&ciphertext), &x25519))
    }

    /// The client also offers X25519 alone, so that a server without ML-KEM can use it without
    /// another round trip.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.x25519.group(), self.x25519.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, server: &[u8]) -> Result<SharedSecret, Error> {
        self.x25519.complete(server)
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

/// Splits the share of a peer into the parts of ML-KEM and of X25519. The length of ML-KEM's part
/// is checked when that part is read.
fn split(share: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    let at = share.len().checked_sub(X25519_LENGTH).ok_or(INVALID)?;
    Ok(share.split_at(at))
}

fn both(ml_kem: &[u8], x25519: &SharedSecret) -> SharedSecret {
    SharedSecret::from([ml_kem, x25519.secret_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_get_the_same_secret_and_a_new_one_each_time() {
        let exchange = || {
            let client = X25519MlKem768.start().expect("a key");
            assert_eq!(client.pub_key().len(), 1184 + 32);
            let server = X25519MlKem768.start_and_complete(client.pub_key()).expect("a secret");
            assert_eq!(server.pub_key.len(), 1088 + 32);
            let secret = client.complete(&server.pub_key).expect("a secret");
            assert_eq!(secret.secret_bytes(), server.secret.secret_bytes());
            assert_eq!(secret.secret_bytes().len(), 32 + 32);
            secret.secret_bytes().to_vec()
        };
        let (first, second) = (exchange(), exchange());
        assert_ne!(first[..32], second[..32]);
        assert_ne!(first[32..], second[32..]);
    }

    #[test]
    fn a_malformed_share_is_the_fault_of_the_peer() {
        let valid = X25519MlKem768.start().expect("a key").pub_key().to_vec();
        // A coefficient that is not below the modulus, and a point of X25519 of small order.
        let coefficient = [&[0xff; 3], &valid[3..]].concat();
        let point = [&valid[..1184], &[0; 32]].concat();
        let long = [&valid[..], &[0]].concat();
        for share in [&[][..], &valid[..31], &valid[1..], &long, &coefficient, &point] {
            let error = X25519MlKem768.start_and_complete(share).err();
            assert_eq!(error, Some(INVALID), "{} bytes", share.len());
        }
        for length in [0, 31, 1184 + 32] {
            let client = X25519MlKem768.start().expect("a key");
            assert_eq!(client.complete(&vec![1; length]).err(), Some(INVALID), "{length} bytes");
        }
    }
}
