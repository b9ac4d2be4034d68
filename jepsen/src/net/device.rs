//! TUN devices.

use super::NetError;
use super::namespace::ip;
use super::subnet::Subnet;
use std::io;
use std::net::Ipv4Addr;
use tun_rs::{DeviceBuilder, SyncDevice};

/// Large, so that little traffic is one packet and much traffic is few: a packet costs two system
/// calls, whatever its size. Larger ones come too: with offloading, TCP hands over up to
/// [`PACKET_BYTES_MAX`] at once and leaves cutting them up, and checksums, to a device that we do
/// not have.
const MTU: u16 = 9000;

/// What a device hands over at most, its header included.
pub const PACKET_BYTES_MAX: usize = HEADER_BYTES + 65_535;

/// The header (`virtio_net_hdr`) that stands before each IP packet, and is passed on unread.
pub const HEADER_BYTES: usize = tun_rs::VIRTIO_NET_HDR_LEN;

/// How many packets wait in a device until they are read.
const QUEUE_PACKETS_MAX: u32 = 4096;

/// The device of a member, in the namespace of the calling thread.
///
/// # Errors
/// [`NetError::Device`]
pub fn open(name: &str, address: Ipv4Addr) -> Result<SyncDevice, NetError> {
    build(name, address).map_err(|source| NetError::Device { name: name.to_owned(), source })
}

/// The clients' device, in the first subnet that nobody uses. Its name is what keeps two runs from
/// taking the same one.
///
/// # Errors
/// [`NetError::Device`] or [`NetError::NoSubnet`]
pub fn open_free() -> Result<(SyncDevice, Subnet), NetError> {
    for subnet in (0..=u8::MAX).map(Subnet) {
        let range = format!("{}/{}", Ipv4Addr::new(10, 213, subnet.0, 0), Subnet::PREFIX);
        if !ip(&["-4", "route", "show", "table", "all", "root", &range])?.trim().is_empty() {
            continue;
        }
        let name = format!("jepsen-{}", subnet.0);
        match build(&name, subnet.address(0)) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            Err(source) => return Err(NetError::Device { name, source }),
            Ok(device) => return Ok((device, subnet)),
        }
    }
    Err(NetError::NoSubnet)
}

fn build(name: &str, address: Ipv4Addr) -> io::Result<SyncDevice> {
    let device = DeviceBuilder::new()
        .name(name)
        .ipv4(address, Subnet::PREFIX, None)
        .mtu(MTU)
        .with(|linux| {
            linux.offload(true).tx_queue_len(QUEUE_PACKETS_MAX);
        })
        .build_sync()?;
    device.set_nonblocking(true)?;
    Ok(device)
}
