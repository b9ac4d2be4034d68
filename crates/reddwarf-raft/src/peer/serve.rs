//! The answering side of a connection between members.

use super::connection::{FRAMES_WAITING_MAX, write_frames};
use super::frame::ALPN;
use super::frame::{Frame, FrameReader, Kind, WIRE_VERSION};
use super::greeting::{Greeting, GreetingReply, PeerBuild, WireVersions, from_json, to_json};
use super::message::{Hello, HelloReply, decode, encode};
use async_trait::async_trait;
use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Calls of one connection that are answered at a time; further ones wait in the socket.
const CALLS_MAX: usize = 256;

/// Answers calls of other members.
#[async_trait]
pub trait PeerHandler: Send + Sync + 'static {
    /// What this side runs.
    fn build(&self) -> PeerBuild;

    /// Whether the caller may speak; the text says why not, naming both sides.
    fn admit(&self, hello: &Hello, build: &PeerBuild) -> Result<HelloReply, String>;

    /// Returns when a caller that was admitted is no member any more.
    async fn dismissed(&self, hello: &Hello);

    /// One call.
    async fn call(&self, from: u64, kind: Kind, body: Bytes) -> Result<Bytes, String>;
}

/// How a connection begins, as its ALPN says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// With a bare [`Hello`]: the caller's build knows of no feature levels.
    FirstLevel,
    /// With a [`Greeting`].
    Greeting,
}

impl Protocol {
    /// That of a connection for which TLS has agreed on `alpn`.
    pub fn of(alpn: Option<&[u8]>) -> Protocol {
        if alpn == Some(ALPN) { Protocol::Greeting } else { Protocol::FirstLevel }
    }
}

/// The common name of a certificate's subject.
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?;
    name.as_str().ok().map(str::to_owned)
}

/// Serves one connection until it ends. `certificate_name` is the common name that the TLS
/// layer verified.
pub async fn serve<S>(
    stream: S,
    protocol: Protocol,
    certificate_name: Option<String>,
    handler: Arc<dyn PeerHandler>,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let (answers, queue) = mpsc::channel(FRAMES_WAITING_MAX);
    let writer = tokio::spawn(write_frames(write, queue));
    let door = Door { protocol, certificate_name };
    let result = read_calls(FrameReader::new(read), door, handler, answers).await;
    let written = writer.await.map_err(std::io::Error::other)?;
    result.and(written)
}

async fn read_calls<R: AsyncRead + Unpin>(
    mut frames: FrameReader<R>,
    door: Door,
    handler: Arc<dyn PeerHandler>,
    answers: mpsc::Sender<Frame>,
) -> std::io::Result<()> {
    let places = Arc::new(Semaphore::new(CALLS_MAX));
    let mut caller: Option<Hello> = None;
    loop {
        let frame = match &caller {
            None => frames.next().await?,
            // It is told so when it dials again.
            Some(hello) => tokio::select! {
                frame = frames.next() => frame?,
                () = handler.dismissed(hello) => None,
            },
        };
        let Some(frame) = frame else { return Ok(()) };
        let Some(from) = caller.as_ref().map(|hello| hello.from) else {
            match door.admit(&frame, handler.as_ref()) {
                Ok((hello, reply, body)) => {
                    send(&answers, Kind::Reply, frame.call, body).await;
                    if !reply.admits(hello.incarnation) {
                        warn_of(&hello, &reply);
                        return Ok(());
                    }
                    caller = Some(hello);
                }
                Err(text) => {
                    tracing::warn!(%text, "a peer was refused");
                    send(&answers, Kind::Failure, frame.call, text.into()).await;
                    return Ok(());
                }
            }
            continue;
        };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        let (handler, answers) = (Arc::clone(&handler), answers.clone());
        tokio::spawn(async move {
            let result = handler.call(from, frame.kind, frame.body).await;
            if frame.kind == Kind::Commit {
                return;
            }
            let (kind, body) = match result {
                Ok(body) => (Kind::Reply, body),
                Err(text) => (Kind::Failure, text.into()),
            };
            send(&answers, kind, frame.call, body).await;
            drop(place);
        });
    }
}

fn warn_of(hello: &Hello, reply: &HelloReply) {
    let (name, id) = (&hello.from_name, hello.from);
    match reply.removed_at {
        Some(_) => tracing::warn!("refused {name}: node {id} is no member of the group any more"),
        None => tracing::warn!(
            "refused {name}: its data folder is {:016x}, the group knows it by {:016x}; it was \
             wiped or replaced, and may not vote",
            hello.incarnation,
            reply.expected
        ),
    }
}

async fn send(answers: &mpsc::Sender<Frame>, kind: Kind, call: u64, body: Bytes) {
    // A connection that is gone has nobody to tell.
    let _ = answers.send(Frame { kind, call, body }).await;
}

/// What a connection's first frame is judged by.
struct Door {
    protocol: Protocol,
    certificate_name: Option<String>,
}

impl Door {
    /// Who calls, what it is answered, and the same as the body of a frame.
    fn admit(
        &self,
        frame: &Frame,
        handler: &dyn PeerHandler,
    ) -> Result<(Hello, HelloReply, Bytes), String> {
        if frame.kind != Kind::Hello {
            return Err("the first frame of a connection must be a hello".to_owned());
        }
        let (hello, build, wire) = match self.protocol {
            Protocol::FirstLevel => self.hello(frame)?,
            Protocol::Greeting => self.greeting(frame)?,
        };
        let shown = self.certificate_name.as_deref().unwrap_or_default();
        if shown != hello.from_name && shown.rsplit(':').next() != Some(hello.from_name.as_str()) {
            return Err(format!("{} shows a certificate for {shown:?}", who(&hello)));
        }
        let reply = handler.admit(&hello, &build)?;
        let body = match self.protocol {
            Protocol::FirstLevel => encode(&reply).map_err(|error| error.to_string())?,
            Protocol::Greeting => to_json(&GreetingReply { wire, build: handler.build(), reply })?,
        };
        Ok((hello, reply, body))
    }

    fn hello(&self, frame: &Frame) -> Result<(Hello, PeerBuild, u32), String> {
        let hello: Hello = decode(&frame.body).map_err(|error| format!("hello: {error}"))?;
        match hello.wire_version {
            WIRE_VERSION => Ok((hello, PeerBuild::first_level(), WIRE_VERSION)),
            theirs => Err(format!(
                "{} speaks wire version {theirs}, this node {WIRE_VERSION}",
                who(&hello)
            )),
        }
    }

    fn greeting(&self, frame: &Frame) -> Result<(Hello, PeerBuild, u32), String> {
        let Greeting { wire, build, hello } = from_json(&frame.body)?;
        match WireVersions::OWN.common(wire) {
            Some(wire) => Ok((hello, build, wire)),
            None => Err(format!(
                "{} speaks wire versions {wire}, this node {}",
                who(&hello),
                WireVersions::OWN
            )),
        }
    }
}

fn who(hello: &Hello) -> String {
    format!("{} (node {})", hello.from_name, hello.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reddwarf_core::FeatureLevels;

    /// Admits everybody whom the connection itself does not refuse.
    struct Anybody;

    #[async_trait]
    impl PeerHandler for Anybody {
        fn build(&self) -> PeerBuild {
            PeerBuild { version: "1".to_owned(), levels: FeatureLevels::OF_THIS_BUILD }
        }

        fn admit(&self, _: &Hello, _: &PeerBuild) -> Result<HelloReply, String> {
            Ok(HelloReply { incarnation: 1, ..HelloReply::default() })
        }

        async fn dismissed(&self, _: &Hello) {
            std::future::pending().await
        }

        async fn call(&self, _: u64, _: Kind, _: Bytes) -> Result<Bytes, String> {
            Err("no calls here".to_owned())
        }
    }

    fn door(protocol: Protocol, certificate: &str) -> Door {
        Door { protocol, certificate_name: Some(certificate.to_owned()) }
    }

    fn answer(kind: Kind, hello: &Hello, certificate: &str) -> Result<(), String> {
        let frame = Frame { kind, call: 1, body: encode(hello).expect("a hello") };
        let door = door(Protocol::FirstLevel, certificate);
        door.admit(&frame, &Anybody).map(|_| ())
    }

    fn greet(wire: WireVersions, hello: Hello, certificate: &str) -> Result<Bytes, String> {
        let build = PeerBuild::first_level();
        let body = to_json(&Greeting { wire, build, hello }).expect("a greeting");
        let frame = Frame { kind: Kind::Hello, call: 1, body };
        let door = door(Protocol::Greeting, certificate);
        door.admit(&frame, &Anybody).map(|(.., body)| body)
    }

    fn hello() -> Hello {
        Hello {
            wire_version: WIRE_VERSION,
            cluster_id: "group".to_owned(),
            from: 2,
            from_name: "node-2".to_owned(),
            to: 1,
            incarnation: 7,
            member_since: 0,
        }
    }

    #[test]
    fn a_member_is_admitted_by_its_certificate() {
        assert_eq!(answer(Kind::Hello, &hello(), "node-2"), Ok(()));
        let refused = answer(Kind::Hello, &hello(), "node-3").expect_err("another one's");
        assert_eq!(refused, "node-2 (node 2) shows a certificate for \"node-3\"");
    }

    #[test]
    fn a_member_of_another_version_is_refused_by_name() {
        let newer = Hello { wire_version: WIRE_VERSION + 1, ..hello() };
        let refused = answer(Kind::Hello, &newer, "node-2").expect_err("another version");
        let (theirs, ours) = (WIRE_VERSION + 1, WIRE_VERSION);
        let expected = format!("node-2 (node 2) speaks wire version {theirs}, this node {ours}");
        assert_eq!(refused, expected);
    }

    #[test]
    fn who_greets_is_told_what_is_spoken_and_what_this_side_runs() {
        let later = WireVersions { oldest: WIRE_VERSION, newest: WIRE_VERSION + 3 };
        let body = greet(later, hello(), "node-2").expect("admitted");
        let reply: GreetingReply = from_json(&body).expect("a reply");
        assert_eq!((reply.wire, reply.build.version.as_str()), (WIRE_VERSION, "1"));
        assert_eq!(reply.reply.incarnation, 1);
        let refused = greet(later, hello(), "node-3").expect_err("another one's certificate");
        assert!(refused.contains("node-3"), "{refused}");
    }

    #[test]
    fn those_with_no_wire_version_in_common_are_refused_by_name() {
        let later = WireVersions { oldest: WIRE_VERSION + 1, newest: WIRE_VERSION + 3 };
        let refused = greet(later, hello(), "node-2").expect_err("nothing in common");
        let expected =
            format!("node-2 (node 2) speaks wire versions {later}, this node {WIRE_VERSION}");
        assert_eq!(refused, expected);
    }

    #[test]
    fn nothing_goes_before_the_hello() {
        let refused = answer(Kind::Status, &hello(), "node-2").expect_err("no hello");
        assert_eq!(refused, "the first frame of a connection must be a hello");
    }
}
