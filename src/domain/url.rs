//! The few things about URLs that content may decide: where an account's server is, and where a platform may pull media.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest URL that is accepted, in bytes.
pub const URL_BYTES_MAX: usize = 2048;

/// Why a text is no URL that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    #[error("must begin with `https://`")]
    Scheme,
    #[error("must begin with `https://` or `http://`")]
    WebScheme,
    #[error("must be plain ASCII without spaces; other characters are written as %XX")]
    Characters,
    #[error("is longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    #[error("must have a host name")]
    Host,
    #[error("must have a host name, not an IP address")]
    IpAddress,
    #[error("must have a port between 1 and 65535")]
    Port,
    #[error("must not hold a user name or password")]
    UserInfo,
    #[error("must be scheme, host and port alone, without path or query")]
    NotAnOrigin,
    #[error("must not have a query or fragment")]
    Query,
    #[error("must not go up by `..`")]
    DotDot,
    #[error("may only be plain http, or on this machine, when the account's endpoint is on this machine too")]
    LoopbackOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    https: bool,
    host: Host<'a>,
    authority: &'a str,
    /// Path, query and fragment, as written.
    rest: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl Host<'_> {
    fn is_loopback(&self) -> bool {
        match self {
            Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
            Host::Address(address) => address.is_loopback(),
        }
    }
}

fn split(url: &str) -> Result<Parts<'_>, InvalidUrl> {
    if url.len() > URL_BYTES_MAX {
        return Err(InvalidUrl::TooLong);
    }
    let forbidden = |b: u8| {
        !b.is_ascii_graphic() || matches!(b, b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
    };
    if url.bytes().any(forbidden) {
        return Err(InvalidUrl::Characters);
    }
    let (scheme, after) = url.split_once("://").ok_or(InvalidUrl::WebScheme)?;
    let https = scheme.eq_ignore_ascii_case("https");
    if !https && !scheme.eq_ignore_ascii_case("http") {
        return Err(InvalidUrl::WebScheme);
    }
    let (authority, rest) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
    if authority.contains('@') {
        return Err(InvalidUrl::UserInfo);
    }
    Ok(Parts { https, host: host(authority)?, authority, rest })
}

fn host(authority: &str) -> Result<Host<'_>, InvalidUrl> {
    let bracket = authority.find(']').map_or(0, |at| at + 1);
    let (host, port) = match authority[bracket..].find(':') {
        Some(colon) => (&authority[..bracket + colon], Some(&authority[bracket + colon + 1..])),
        None => (authority, None),
    };
    let is_port =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse().is_ok_and(|n: u16| n > 0);
    if port.is_some_and(|port| !is_port(port)) {
        return Err(InvalidUrl::Port);
    }
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse().map(|ip: Ipv6Addr| Host::Address(ip.into())).map_err(|_| InvalidUrl::Host);
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    host_name(host).map(Host::Name)
}

/// A DNS name. One whose last label is a number would be read as an IPv4 address by others (`0x7f.1`, `2130706433`).
fn host_name(host: &str) -> Result<&str, InvalidUrl> {
    let label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        inner && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(InvalidUrl::Host);
    }
    let last = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if hexadecimal || last.bytes().all(|b| b.is_ascii_digit()) {
        Err(InvalidUrl::IpAddress)
    } else {
        Ok(host)
    }
}

/// `scheme://host[:port]` of an account's endpoint: http or https, in lower case, without a trailing slash.
pub fn origin(url: &str) -> Result<String, InvalidUrl> {
    let parts = split(url)?;
    if !matches!(parts.rest, "" | "/") {
        return Err(InvalidUrl::NotAnOrigin);
    }
    let scheme = if parts.https { "https" } else { "http" };
    Ok(format!("{scheme}://{}", parts.authority.to_ascii_lowercase()))
}

/// Whether the URL's host is this machine: `localhost`, `127.0.0.0/8` or `[::1]`.
pub fn is_loopback(url: &str) -> bool {
    split(url).is_ok_and(|parts| parts.host.is_loopback())
}

/// Whether a URL may be the address of a live post, for people to follow: http or https, with a host. Nothing is sent there.
pub fn check_page(url: &str) -> Result<(), InvalidUrl> {
    split(url).map(|_| ())
}

/// Whether a URL may be one that a platform pulls media from, for some account: https with a host name, or, for
/// accounts whose endpoint is on this machine, anything on this machine. [`check_pullable`] judges for one account.
pub fn check_media(url: &str) -> Result<(), InvalidUrl> {
    let parts = split(url)?;
    match parts.host {
        host if host.is_loopback() => Ok(()),
        _ if !parts.https => Err(InvalidUrl::Scheme),
        Host::Address(_) => Err(InvalidUrl::IpAddress),
        Host::Name(_) => Ok(()),
    }
}

/// Whether the platform of an account with this endpoint may be told to pull from `url`.
pub fn check_pullable(url: &str, endpoint: Option<&str>) -> Result<(), InvalidUrl> {
    check_media(url)?;
    if is_loopback(url) && !endpoint.is_some_and(is_loopback) {
        Err(InvalidUrl::LoopbackOnly)
    } else {
        Ok(())
    }
}

/// The base under which `content/` is served, with a trailing slash.
pub fn media_base(url: &str) -> Result<String, InvalidUrl> {
    check_media(url)?;
    let rest = split(url)?.rest;
    if rest.contains(['?', '#']) {
        return Err(InvalidUrl::Query);
    }
    if rest.split('/').any(|segment| segment == "..") {
        return Err(InvalidUrl::DotDot);
    }
    Ok(if url.ends_with('/') { url.to_owned() } else { format!("{url}/") })
}

/// Whether what was verified as `prefix`, which ends in a slash, covers `url`: it begins with it. A prefix without a path
/// stands for a domain, and covers its subdomains.
pub fn covers(prefix: &str, url: &str) -> bool {
    let (Ok(prefix), Ok(url)) = (split(prefix), split(url)) else { return false };
    let (own, other) = (prefix.authority.to_ascii_lowercase(), url.authority.to_ascii_lowercase());
    let is_below = own == other && url.rest.starts_with(prefix.rest);
    let is_subdomain = || other.strip_suffix(&own).is_some_and(|sub| sub.ends_with('.'));
    prefix.https == url.https && (is_below || (prefix.rest == "/" && is_subdomain()))
}

/// `scheme://host[:port]/` of a URL.
pub fn site(url: &str) -> Option<String> {
    let parts = split(url).ok()?;
    let scheme = if parts.https { "https" } else { "http" };
    Some(format!("{scheme}://{}/", parts.authority.to_ascii_lowercase()))
}

/// The URL of the file at `path` (relative to `content/`, with `/`) under `base`.
pub fn join(base: &str, path: &str) -> String {
    let mut url = String::with_capacity(base.len() + path.len());
    url.push_str(base);
    for byte in path.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/') => {
                url.push(char::from(b))
            }
            b => url.push_str(&format!("%{b:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_scheme_host_and_port() {
        for (written, read) in [
            ("http://127.0.0.1:4010", Ok("http://127.0.0.1:4010")),
            ("HTTPS://Api.Example.com/", Ok("https://api.example.com")),
            ("http://[::1]:4010", Ok("http://[::1]:4010")),
            ("https://a.example/v2", Err(InvalidUrl::NotAnOrigin)),
            ("https://a.example?x", Err(InvalidUrl::NotAnOrigin)),
            ("https://u:p@a.example", Err(InvalidUrl::UserInfo)),
            ("https://a.example\\@b.example", Err(InvalidUrl::Characters)),
            ("ftp://a.example", Err(InvalidUrl::WebScheme)),
            ("a.example", Err(InvalidUrl::WebScheme)),
            ("https://", Err(InvalidUrl::Host)),
            ("https://a..b", Err(InvalidUrl::Host)),
            ("https://[::1", Err(InvalidUrl::Port)),
            ("https://[::1]x", Err(InvalidUrl::Host)),
            ("https://a.example:0", Err(InvalidUrl::Port)),
            ("https://a.example:70000", Err(InvalidUrl::Port)),
            ("https://a.example:", Err(InvalidUrl::Port)),
            ("https://ä.example", Err(InvalidUrl::Characters)),
        ] {
            assert_eq!(origin(written).as_deref(), read.as_ref().copied(), "{written}");
        }
    }

    #[test]
    fn media_come_from_named_hosts_over_https() {
        let real = Some("https://open.example.com");
        for (url, result) in [
            ("https://media.example.com/a.jpg?x=1", Ok(())),
            ("http://media.example.com/a.jpg", Err(InvalidUrl::Scheme)),
            ("https://93.184.216.34/a.jpg", Err(InvalidUrl::IpAddress)),
            ("https://[2001:db8::1]/a.jpg", Err(InvalidUrl::IpAddress)),
            ("https://2130706433/a.jpg", Err(InvalidUrl::IpAddress)),
            ("https://0x7f.1/a.jpg", Err(InvalidUrl::IpAddress)),
            ("https://127.1/a.jpg", Err(InvalidUrl::IpAddress)),
            ("https://u@media.example.com/a.jpg", Err(InvalidUrl::UserInfo)),
            ("http://127.0.0.1:4010/a.jpg", Err(InvalidUrl::LoopbackOnly)),
            ("https://localhost/a.jpg", Err(InvalidUrl::LoopbackOnly)),
        ] {
            assert_eq!(check_pullable(url, real), result, "{url}");
            assert_eq!(check_pullable(url, None), result, "{url}");
        }
        for url in [
            "http://127.0.0.1:4010/a.jpg",
            "http://[::1]/a.jpg",
            "http://localhost:1/a",
            "https://a.example/b",
        ] {
            assert_eq!(check_pullable(url, Some("http://127.0.0.1:4010")), Ok(()), "{url}");
        }
    }

    #[test]
    fn a_prefix_covers_what_is_below_it_and_a_domain_its_subdomains() {
        for (prefix, url, covered) in [
            ("https://m.example/", "https://m.example/a.jpg", true),
            ("https://m.example/", "https://M.Example/a.jpg", true),
            ("https://m.example/", "https://cdn.m.example/a.jpg", true),
            ("https://m.example/", "https://evilm.example/a.jpg", false),
            ("https://m.example/", "https://m.example.evil/a.jpg", false),
            ("https://m.example/", "http://m.example/a.jpg", false),
            ("https://m.example/", "https://m.example:8443/a.jpg", false),
            ("https://m.example/", "https://m.example", false),
            ("https://m.example/x/", "https://m.example/x/a.jpg", true),
            ("https://m.example/x/", "https://m.example/xa.jpg", false),
            ("https://m.example/x/", "https://cdn.m.example/x/a.jpg", false),
            ("https://m.example/", "no URL", false),
        ] {
            assert_eq!(covers(prefix, url), covered, "{prefix} {url}");
        }
        assert_eq!(site("HTTPS://M.example:8443/a?b").as_deref(), Some("https://m.example:8443/"));
        assert_eq!(site("m.example"), None);
    }

    #[test]
    fn paths_are_encoded_under_the_base() {
        assert_eq!(media_base("https://m.example/x").as_deref(), Ok("https://m.example/x/"));
        assert_eq!(media_base("https://m.example/x/../y"), Err(InvalidUrl::DotDot));
        assert_eq!(media_base("https://m.example/?a"), Err(InvalidUrl::Query));
        assert_eq!(join("https://m.example/", "a b/ü?#%.jpg"), "https://m.example/a%20b/%C3%BC%3F%23%25.jpg");
    }
}
