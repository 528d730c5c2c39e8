//! How a receiver tells what we have sent from what others have.

use std::fmt::Write;

use gaffer_core::config::Secret;
use ring::hmac;

/// `sha256=` and, in hexadecimal, the HMAC-SHA256 of the body by the secret.
pub(super) fn signature(secret: &Secret, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_str().as_bytes());
    let mut text = "sha256=".to_owned();
    for byte in hmac::sign(&key, body).as_ref() {
        // Writing to a string does not fail.
        let _: std::fmt::Result = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_standard() {
        for (secret, body, expected) in [
            // RFC 4231, test case 2.
            (
                "Jefe",
                "what do ya want for nothing?",
                "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            // Python: hmac.new(b"k" * 100, b"", "sha256"), a secret longer than a block.
            (&"k".repeat(100), "", "sha256=d46761768ee3c864fc76c08b3d73c8092853ae3fefa01b990963dfa2d56e7334"),
        ] {
            assert_eq!(signature(&secret.parse().unwrap(), body.as_bytes()), expected);
        }
    }
}
