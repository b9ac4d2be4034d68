//! Functions on addresses and ranges of them.

use super::{Call, Function};
use crate::value::{Fault, Opaque, Outcome, Value};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "ip" => ip,
        "isIP" => |call| Ok(Value::Bool(parse_ip(call.text(0)?).is_ok())),
        "ip.isCanonical" => is_canonical,
        "family" => |call| Ok(Value::Int(if address(&call)?.is_ipv4() { 4 } else { 6 })),
        "isUnspecified" => |call| Ok(Value::Bool(address(&call)?.is_unspecified())),
        "isLoopback" => |call| Ok(Value::Bool(address(&call)?.is_loopback())),
        "isLinkLocalMulticast" => |call| Ok(Value::Bool(is_link_local_multicast(address(&call)?))),
        "isLinkLocalUnicast" => |call| Ok(Value::Bool(is_link_local_unicast(address(&call)?))),
        "isGlobalUnicast" => |call| Ok(Value::Bool(is_global_unicast(address(&call)?))),
        "cidr" => cidr,
        "isCIDR" => |call| Ok(Value::Bool(parse_cidr(call.text(0)?).is_ok())),
        "containsIP" => contains_ip,
        "containsCIDR" => contains_cidr,
        "prefixLength" => |call| Ok(Value::Int(network(&call, 0)?.1.into())),
        "masked" => masked,
        _ => return None,
    })
}

fn made<'a>(ip: IpAddr) -> Value<'a> {
    Value::opaque(Opaque::Ip(ip))
}

/// Reads an address without a zone, which must not be a written-out old one.
fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let bare = text.split('%').next().unwrap_or_default();
    let Ok(ip) = bare.parse::<IpAddr>() else {
        return Err(format!(
            "IP Address {text:?} parse error during conversion from string: ParseAddr({text:?}): {}",
            parse_problem(text)
        ));
    };
    if bare.len() < text.len() {
        return Err(format!("IP address {text:?} with zone value is not allowed"));
    }
    if is_mapped(ip) {
        return Err(format!("IPv4-mapped IPv6 address {text:?} is not allowed"));
    }
    Ok(ip)
}

fn parse_problem(text: &str) -> &'static str {
    if text.contains('.') && !text.contains(':') {
        match text.split('.').count() {
            0..=3 => "IPv4 address too short",
            4 => "IPv4 field has value >255",
            _ => "IPv4 address too long",
        }
    } else if text.contains(':') {
        "each group must have four or less digits"
    } else {
        "unable to parse IP"
    }
}

fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
}

fn ip<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    match call.args.first() {
        Some(Value::Opaque(_)) => Ok(made(network(&call, 0)?.0)),
        _ => parse_ip(call.text(0)?).map(made).map_err(Fault::Failed),
    }
}

fn is_canonical<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let text = call.text(0)?;
    let ip = parse_ip(text).map_err(Fault::Failed)?;
    Ok(Value::Bool(ip.to_string() == text))
}

fn address(call: &Call<'_, '_>) -> Result<IpAddr, Fault> {
    match call.args.first() {
        Some(Value::Opaque(of)) => match &**of {
            Opaque::Ip(ip) => Ok(*ip),
            _ => Err(call.no_such_overload()),
        },
        _ => Err(call.no_such_overload()),
    }
}

fn is_link_local_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
        IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
    }
}

fn is_link_local_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn is_global_unicast(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(Ipv4Addr::BROADCAST));
    !(broadcast
        || ip.is_unspecified()
        || ip.is_loopback()
        || ip.is_multicast()
        || is_link_local_unicast(ip))
}

/// Reads an address with the number of bits that count.
fn parse_cidr(text: &str) -> Result<(IpAddr, u8), String> {
    const CONTEXT: &str = "network address parse error during conversion from string: ";
    let refused = |why: &str| format!("{CONTEXT}netip.ParsePrefix({text:?}): {why}");
    let Some((ip, bits)) = text.rsplit_once('/') else { return Err(refused("no '/'")) };
    if ip.contains('%') {
        return Err(refused("IPv6 zones cannot be present in a prefix"));
    }
    let Ok(ip) = ip.parse::<IpAddr>() else {
        return Err(refused(&format!("ParseAddr({ip:?}): {}", parse_problem(ip))));
    };
    let plain = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
    let leading = bits.len() > 1 && bits.starts_with('0');
    let most = if ip.is_ipv4() { 32 } else { 128 };
    match bits.parse::<u8>() {
        Ok(bits) if plain && !leading && bits <= most => {
            if is_mapped(ip) {
                return Err(format!("IPv4-mapped IPv6 address {text:?} is not allowed"));
            }
            Ok((ip, bits))
        }
        Ok(_) if plain && !leading => Err(refused("prefix length out of range")),
        _ => Err(refused(&format!("bad bits after slash: {bits:?}"))),
    }
}

fn cidr<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    match parse_cidr(call.text(0)?) {
        Ok((ip, bits)) => Ok(Value::opaque(Opaque::Cidr(ip, bits))),
        Err(error) => Fault::failed(format!(
            "network address parse error during conversion from string: {error}"
        )),
    }
}

fn network(call: &Call<'_, '_>, at: usize) -> Result<(IpAddr, u8), Fault> {
    match call.args.get(at) {
        Some(Value::Opaque(of)) => match &**of {
            Opaque::Cidr(ip, bits) => Ok((*ip, *bits)),
            _ => Err(call.no_such_overload()),
        },
        Some(Value::String(text)) if at > 0 => parse_cidr(text).map_err(|error| {
            Fault::Failed(format!(
                "network address parse error during conversion from string: {error}"
            ))
        }),
        _ => Err(call.no_such_overload()),
    }
}

/// The address with the bits set to nothing that do not count.
fn mask(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or_default();
            Ipv4Addr::from(u32::from(ip) & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or_default();
            Ipv6Addr::from(u128::from(ip) & mask).into()
        }
    }
}

fn covers((ip, bits): (IpAddr, u8), other: IpAddr) -> bool {
    ip.is_ipv4() == other.is_ipv4() && mask(ip, bits) == mask(other, bits)
}

fn contains_ip<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let network = network(&call, 0)?;
    let other = match call.args.get(1) {
        Some(Value::Opaque(of)) => match &**of {
            Opaque::Ip(ip) => *ip,
            _ => return Err(call.no_such_overload()),
        },
        _ => parse_ip(call.text(1)?).map_err(Fault::Failed)?,
    };
    Ok(Value::Bool(covers(network, other)))
}

fn contains_cidr<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let (ip, bits) = network(&call, 0)?;
    let (other, other_bits) = network(&call, 1)?;
    Ok(Value::Bool(bits <= other_bits && covers((ip, bits), other)))
}

fn masked<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let (ip, bits) = network(&call, 0)?;
    Ok(Value::opaque(Opaque::Cidr(mask(ip, bits), bits)))
}
