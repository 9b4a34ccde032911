//! Which addresses a webhook may be sent to. Pure.
//!
//! Decided on the address that is dialled, in the moment it is dialled: what a name resolved to
//! before says nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One of the internet.
    Public,
    /// Inside some network, in these words; only with `allow_private`.
    Private(&'static str),
    /// Nothing that a webhook is ever sent to, in these words.
    Never(&'static str),
}

/// What is wrong with sending to `address`; `None` where nothing is.
#[must_use]
pub fn refusal(address: IpAddr, allow_private: bool) -> Option<&'static str> {
    match reach(address) {
        Reach::Public => None,
        Reach::Private(_) if allow_private => None,
        Reach::Private(what) | Reach::Never(what) => Some(what),
    }
}

/// What kind of address this is (IANA, *Special-Purpose Address Registries*).
#[must_use]
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        // What clouds tell a machine about itself, credentials included.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [168, 63, 129, 16] => {
            Reach::Never("a cloud's metadata address")
        }
        [127, ..] => Reach::Private("a loopback address"),
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => Reach::Private("a private address"),
        [100, 64..=127, ..] => Reach::Private("an address shared by a carrier"),
        [169, 254, ..] => Reach::Private("a link-local address"),
        [198, 18..=19, ..] => Reach::Private("an address for benchmarks"),
        [0, ..] => Reach::Never("no address of a host"),
        [192, 0, 0, _] | [192, 88, 99, _] => Reach::Never("an address of a protocol"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Reach::Never("an address for documentation")
        }
        [224..=239, ..] => Reach::Never("a multicast address"),
        [240..=255, ..] => Reach::Never("a reserved address"),
        _ => Reach::Public,
    }
}

fn v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never("no address of a host"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private("a loopback address"),
        // What stands for an address of IPv4 is that address: mapped, compatible (long gone, and
        // still understood by some), NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            v4(embedded(high, low))
        }
        [0x2002, high, low, ..] => v4(embedded(high, low)),
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Reach::Never("a cloud's metadata address"),
        [0x64, 0xff9b, 1, ..] => Reach::Private("an address of a local translator"),
        [0xfc00..=0xfdff, ..] => Reach::Private("a private address"),
        [0xfe80..=0xfebf, ..] => Reach::Private("a link-local address"),
        [0xfec0..=0xfeff, ..] => Reach::Private("a site-local address"),
        [0x100, 0, 0, 0, ..] => Reach::Never("an address that swallows everything"),
        [0x2001, 0, ..] => Reach::Never("an address of a tunnel"),
        [0x2001, 0x1..=0x1ff, ..] => Reach::Never("an address of a protocol"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => {
            Reach::Never("an address for documentation")
        }
        [0x5f00, ..] => Reach::Never("an address of a protocol"),
        [0xff00..=0xffff, ..] => Reach::Never("a multicast address"),
        // Only 2000::/3 is given out.
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Never("a reserved address"),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Reach {
        reach(address.parse().unwrap())
    }

    #[test]
    fn public_addresses() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ] {
            assert_eq!(of(public), Reach::Public, "{public}");
        }
    }

    #[test]
    fn private_ones_are_for_those_who_allow_them() {
        for private in [
            "127.0.0.1",
            "127.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.0",
            "100.127.255.255",
            "169.254.0.1",
            "198.18.0.1",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:c0a8:101::1",
        ] {
            assert!(matches!(of(private), Reach::Private(_)), "{private} is {:?}", of(private));
            assert!(refusal(private.parse().unwrap(), false).is_some());
            assert_eq!(refusal(private.parse().unwrap(), true), None);
        }
    }

    #[test]
    fn some_are_for_nobody() {
        for never in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "5f00::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(matches!(of(never), Reach::Never(_)), "{never} is {:?}", of(never));
            assert!(refusal(never.parse().unwrap(), true).is_some());
        }
    }
}
