//! The thread that passes packets from device to device.

use super::NetError;
use super::device::{HEADER_BYTES, PACKET_BYTES_MAX};
use super::fabric::{End, Fabric};
use super::subnet::Subnet;
use parking_lot::Mutex;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tun_rs::SyncDevice;

/// How many packets of one device are passed on before the others' turn, and before whoever wants
/// to change a rule gets the lock.
const BATCH_PACKETS_MAX: usize = 64;

/// The event of no device: somebody changed a rule, or the end has come.
const WOKEN: u64 = u64::MAX;

/// A running switch; it stops when dropped, and its devices go.
#[derive(Debug)]
pub struct Switch {
    fabric: Arc<Mutex<Fabric>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    wake: OwnedFd,
}

struct Loop {
    devices: Vec<SyncDevice>,
    subnet: Subnet,
    fabric: Arc<Mutex<Fabric>>,
    shared: Arc<Shared>,
    epoll: OwnedFd,
    packet: Box<[u8]>,
}

impl Switch {
    /// Starts passing packets between devices, which are in the order of their ends.
    ///
    /// # Errors
    /// [`NetError::Switch`]
    pub fn start(
        devices: Vec<SyncDevice>,
        subnet: Subnet,
        fabric: Fabric,
    ) -> Result<Switch, NetError> {
        let fabric = Arc::new(Mutex::new(fabric));
        Switch::spawn(devices, subnet, fabric).map_err(NetError::Switch)
    }

    fn spawn(
        devices: Vec<SyncDevice>,
        subnet: Subnet,
        fabric: Arc<Mutex<Fabric>>,
    ) -> io::Result<Switch> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), wake });
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let input = epoll::EventFlags::IN;
        epoll::add(&epoll, &shared.wake, epoll::EventData::new_u64(WOKEN), input)?;
        for (end, device) in devices.iter().enumerate() {
            epoll::add(&epoll, device, epoll::EventData::new_u64(end as u64), input)?;
        }
        let mut switch = Loop {
            devices,
            subnet,
            fabric: fabric.clone(),
            shared: shared.clone(),
            epoll,
            packet: vec![0; PACKET_BYTES_MAX].into(),
        };
        let body = move || {
            if let Err(error) = switch.run() {
                tracing::error!(%error, "the switch has stopped");
            }
        };
        let thread = std::thread::Builder::new().name("switch".to_owned()).spawn(body)?;
        Ok(Switch { fabric, shared, thread: Some(thread) })
    }

    /// Looks at the links, or changes them. When this returns, no packet passes by the old rules.
    pub fn with<T>(&self, look: impl FnOnce(&mut Fabric) -> T) -> T {
        let result = look(&mut self.fabric.lock());
        self.shared.wake();
        result
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Ends the loop's wait. It cannot fail but by an overflow, and then it is awake.
    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn woken(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }
}

impl Loop {
    fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(self.devices.len() + 1);
        let mut due = None;
        while !self.shared.stop.load(Ordering::Acquire) {
            events.clear();
            self.wait(&mut events, due)?;
            for event in &events {
                match event.data.u64() {
                    WOKEN => self.shared.woken(),
                    end => self.drain(end as End)?,
                }
            }
            due = self.pass_due();
        }
        Ok(())
    }

    fn wait(&self, events: &mut Vec<epoll::Event>, due: Option<Instant>) -> io::Result<()> {
        let timeout = due.map(|due| timespec(due.saturating_duration_since(Instant::now())));
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Passes on what one device has. What waited goes first, for the order's sake.
    fn drain(&mut self, from: End) -> io::Result<()> {
        let mut fabric = self.fabric.lock();
        let now = Instant::now();
        take_due(&mut fabric, &self.devices, now);
        for _ in 0..BATCH_PACKETS_MAX {
            let bytes = match self.devices[from].recv(&mut self.packet) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            let packet = &self.packet[..bytes];
            let Some(to) = destination(packet, self.subnet, self.devices.len()) else { continue };
            for _ in 0..fabric.offer(now, from, to, packet) {
                hand_over(&self.devices[to], packet);
            }
        }
        Ok(())
    }

    fn pass_due(&self) -> Option<Instant> {
        let mut fabric = self.fabric.lock();
        take_due(&mut fabric, &self.devices, Instant::now());
        fabric.next_due()
    }
}

fn take_due(fabric: &mut Fabric, devices: &[SyncDevice], now: Instant) {
    while let Some((to, packet)) = fabric.take_due(now) {
        hand_over(&devices[to], &packet);
    }
}

/// A device takes a packet or drops it, as a real one would; it never makes the switch wait.
fn hand_over(device: &SyncDevice, packet: &[u8]) {
    if let Err(error) = device.send(packet) {
        tracing::debug!(%error, "a device took no packet");
    }
}

/// To which end an IPv4 packet goes (RFC 791 §3.1); none when it is something else.
fn destination(packet: &[u8], subnet: Subnet, ends: usize) -> Option<End> {
    let ip = packet.get(HEADER_BYTES..)?;
    if ip.first()? >> 4 != 4 {
        return None;
    }
    let address = ip.get(16..20)?.first_chunk()?;
    subnet.end(*address, ends)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
