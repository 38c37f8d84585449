//! Who is let in: by the name the server was called by, and by a token where there is one.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::cli::error::Failure;
use crate::domain::ids::hex;
use crate::secret::Secret;

/// Holds the token.
pub(in crate::cli) const TOKEN_VARIABLE: &str = "GITCAST_PAGES_TOKEN";
/// What is shorter can be guessed.
const TOKEN_CHARS_MIN: usize = 16;
const COOKIE_NAME: &str = "gitcast_pages";

/// Decides about each request.
#[derive(Debug)]
pub(super) struct Guard {
    listens_on: IpAddr,
    token: Option<Token>,
}

#[derive(Debug)]
struct Token {
    digest: [u8; 32],
    /// What the cookie holds: of no use as a token.
    cookie: Secret,
}

impl Guard {
    /// # Errors
    /// Where others could get at the pages and there is no token to keep them out, or one that can be guessed.
    pub(super) fn new(address: SocketAddr, token: Option<Secret>) -> Result<Guard, Failure> {
        let make_one = format!("for example: {TOKEN_VARIABLE}=$(openssl rand -hex 24)");
        let token = match token {
            Some(token) if token.expose().len() < TOKEN_CHARS_MIN => {
                let message = format!("{TOKEN_VARIABLE} is shorter than {TOKEN_CHARS_MIN} characters");
                return Err(Failure::usage(message).hint(make_one));
            }
            Some(token) => Some(Token { digest: digest(token.expose()), cookie: cookie(&token) }),
            None if address.ip().is_loopback() => None,
            None => {
                let message = format!(
                    "--listen {address} would let others see the pages, and there is no {TOKEN_VARIABLE}"
                );
                return Err(Failure::usage(message)
                    .hint("listen on 127.0.0.1, or set a token")
                    .hint(make_one));
            }
        };
        Ok(Guard { listens_on: address.ip(), token })
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether `host` (a name or address, with or without port) means this server. A page on the internet could
    /// otherwise reach it by a name of its own that leads here. Addresses cannot be made to lead elsewhere.
    pub(super) fn knows(&self, host: &str) -> bool {
        let address = host.parse::<SocketAddr>().map(|address| address.ip());
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = address.or_else(|_| bare.parse::<IpAddr>());
        match address {
            Ok(ip) => ip.is_loopback() || ip == self.listens_on || self.listens_on.is_unspecified(),
            Err(_) => {
                let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
                name.eq_ignore_ascii_case("localhost")
            }
        }
    }

    /// Whether the request brings the token, or the cookie that stands for it. All may where there is none.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let values = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        let mut bearers = values(AUTHORIZATION).filter_map(|value| value.strip_prefix("Bearer "));
        let mut cookies = values(COOKIE)
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='));
        bearers.any(|given| self.is_token(given))
            || cookies.any(|given| same(&digest(given), &digest(token.cookie.expose())))
    }

    pub(super) fn is_token(&self, given: &str) -> bool {
        self.token.as_ref().is_some_and(|token| same(&digest(given), &token.digest))
    }

    /// The header that has a browser bring the cookie from now on, until it is closed.
    pub(super) fn set_cookie(&self) -> Option<Secret> {
        let cookie = self.token.as_ref()?.cookie.expose();
        Some(Secret::new(format!("{COOKIE_NAME}={cookie}; Path=/; HttpOnly; SameSite=Strict")))
    }
}

/// In a time that does not depend on what differs.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn cookie(token: &Secret) -> Secret {
    let digest = Sha256::new().chain_update("gitcast pages cookie\0").chain_update(token.expose()).finalize();
    Secret::new(hex(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123";

    fn guard(address: &str, token: Option<&str>) -> Result<Guard, Failure> {
        Guard::new(address.parse().expect("an address"), token.map(Secret::new))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value")))
            .collect()
    }

    #[test]
    fn others_get_in_by_a_token_only() {
        for (address, token, is_good) in [
            ("127.0.0.1:1", None, true),
            ("127.9.9.9:1", None, true),
            ("[::1]:1", None, true),
            ("0.0.0.0:1", None, false),
            ("[::]:1", None, false),
            ("192.0.2.1:1", None, false),
            ("192.0.2.1:1", Some("short"), false),
            ("127.0.0.1:1", Some("short"), false),
            ("192.0.2.1:1", Some(TOKEN), true),
        ] {
            assert_eq!(guard(address, token).is_ok(), is_good, "{address} {token:?}");
        }
    }

    #[test]
    fn only_names_of_this_server_are_known() {
        let (here, there, all) = ("127.0.0.1:80", "192.0.2.1:80", "0.0.0.0:80");
        for (address, host, is_known) in [
            (here, "127.0.0.1:80", true),
            (here, "127.0.0.1", true),
            (here, "localhost:99", true),
            (here, "LOCALHOST", true),
            (here, "[::1]:80", true),
            (here, "192.0.2.1:80", false),
            (here, "evil.example", false),
            (here, "localhost.evil.example:80", false),
            (here, "127.0.0.1.evil.example", false),
            (here, "", false),
            (there, "192.0.2.1:80", true),
            (there, "192.0.2.2:80", false),
            (there, "evil.example:80", false),
            (all, "192.0.2.7:80", true),
            (all, "evil.example:80", false),
        ] {
            assert_eq!(
                guard(address, Some(TOKEN)).expect("a guard").knows(host),
                is_known,
                "{address} {host}"
            );
        }
    }

    #[test]
    fn token_and_cookie_open_and_nothing_else_does() {
        let guard = guard("127.0.0.1:1", Some(TOKEN)).expect("a guard");
        let bearer = format!("Bearer {TOKEN}");
        let set = guard.set_cookie().expect("a cookie");
        let cookie = set.expose().split(';').next().expect("a pair").to_owned();
        assert!(!set.expose().contains(TOKEN));
        assert!(guard.admits(&headers(&[("authorization", &bearer)])));
        assert!(guard.admits(&headers(&[("cookie", &format!("a=b; {cookie}"))])));
        for wrong in [
            &[][..],
            &[("authorization", "Bearer ")],
            &[("authorization", TOKEN)],
            &[("authorization", "Bearer 0123456789abcdef0124")],
            &[("cookie", &format!("gitcast_pages={TOKEN}"))],
            &[("cookie", "gitcast_pages=")],
        ] {
            assert!(!guard.admits(&headers(wrong)), "{wrong:?}");
        }
        assert!(self::guard("127.0.0.1:1", None).expect("a guard").admits(&headers(&[])));
    }
}
