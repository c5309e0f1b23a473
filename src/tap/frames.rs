//! Frame Streams (github.com/farsightsec/fstrm), the receiver's side: bytes in, frames and what is to
//! be said to the sender out. Both kinds of streams are read: those that begin with READY, as
//! CoreDNS's do, and wait for ACCEPT, and those that begin with START.

use std::ops::Range;

/// What the frames of a dnstap stream hold, as both sides name it.
pub const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// The largest frame, in octets: twice the largest DNS message, and what dnstap says of them.
const LARGEST: usize = 256 * 1024;
/// The largest control frame (fstrm.h: FSTRM_CONTROL_FRAME_LENGTH_MAX).
const LARGEST_CONTROL: usize = 512;

pub(super) const ACCEPT: u32 = 1;
pub(super) const START: u32 = 2;
pub(super) const STOP: u32 = 3;
pub(super) const READY: u32 = 4;
pub(super) const FINISH: u32 = 5;
/// The only field of control frames.
pub(super) const FIELD_CONTENT_TYPE: u32 = 1;

/// What a sender did that no sender of dnstap does. The stream can't be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame is larger than any dnstap message.
    #[error("a frame of {0} octets; at most {LARGEST} are read")]
    Large(u32),
    /// A control frame has no such form.
    #[error("a control frame of {0} octets that can't be read")]
    Control(usize),
    /// A control frame came when it should not, or one that only receivers send.
    #[error("control frame {0} out of turn")]
    Turn(u32),
    /// A frame came before START.
    #[error("a frame before START: not a stream of frames")]
    Early,
    /// The stream holds something else.
    #[error("the stream's content type is not protobuf:dnstap.Dnstap")]
    ContentType,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A frame of the content type.
    Content(&'a [u8]),
    /// The sender waits for these bytes.
    Say(&'a [u8]),
    /// The sender is done. What is to be said to it yet, may be empty.
    End(&'a [u8]),
}

/// One stream.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    start: usize,
    state: State,
    /// Whether the sender waits for answers.
    both_ways: bool,
    said: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Fresh,
    Accepted,
    Started,
    Ended,
}

impl Frames {
    /// Takes in the next piece. Take out its frames before the next one.
    pub fn feed(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// Returns whether more has to come soon: the sender has not begun to send frames, or is within
    /// one.
    pub fn is_owed(&self) -> bool {
        self.state != State::Started || self.start < self.bytes.len()
    }

    /// Returns what has come next; `None` where that is not whole yet.
    ///
    /// # Errors
    /// The sender is none of dnstap.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let Some((length, body)) = word(&self.bytes, self.start) else {
            return Ok(None);
        };
        if length > 0 {
            let size = length as usize;
            if size > LARGEST {
                return Err(FrameError::Large(length));
            }
            if self.state != State::Started {
                return Err(FrameError::Early);
            }
            let frame = self.bytes.get(body..body + size);
            if frame.is_some() {
                self.start = body + size;
            }
            return Ok(frame.map(Frame::Content));
        }
        let Some((length, body)) = word(&self.bytes, body) else {
            return Ok(None);
        };
        let size = length as usize;
        if !(4..=LARGEST_CONTROL).contains(&size) {
            return Err(FrameError::Control(size));
        }
        if self.bytes.len() < body + size {
            return Ok(None);
        }
        self.start = body + size;
        self.control(body..body + size).map(Some)
    }

    fn control(&mut self, frame: Range<usize>) -> Result<Frame<'_>, FrameError> {
        let size = frame.len();
        let frame = self.bytes.get(frame).unwrap_or_default();
        let (kind, mut at) = word(frame, 0).ok_or(FrameError::Control(size))?;
        let (mut types, mut is_ours) = (0, false);
        while at < size {
            let (field, next) = word(frame, at).ok_or(FrameError::Control(size))?;
            let (length, next) = word(frame, next).ok_or(FrameError::Control(size))?;
            let value = frame.get(next..next.saturating_add(length as usize));
            let value = value.ok_or(FrameError::Control(size))?;
            if field != FIELD_CONTENT_TYPE {
                return Err(FrameError::Control(size));
            }
            types += 1;
            is_ours |= value == CONTENT_TYPE;
            at = next + value.len();
        }
        // A sender that names none sends what was agreed elsewhere.
        let is_ours = is_ours || types == 0;
        match (self.state, kind) {
            (State::Fresh, READY) | (State::Fresh | State::Accepted, START) if !is_ours => {
                Err(FrameError::ContentType)
            }
            (State::Fresh, READY) => {
                self.state = State::Accepted;
                self.both_ways = true;
                self.said = accept();
                Ok(Frame::Say(&self.said))
            }
            (State::Fresh | State::Accepted, START) => {
                self.state = State::Started;
                Ok(Frame::Say(&[]))
            }
            (State::Started, STOP) => {
                self.state = State::Ended;
                self.said = match self.both_ways {
                    true => control_frame(&FINISH.to_be_bytes()),
                    false => Vec::new(),
                };
                Ok(Frame::End(&self.said))
            }
            (_, kind) => Err(FrameError::Turn(kind)),
        }
    }
}

/// Returns the number at a place, most significant octet first, and the place behind it.
fn word(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let octets = bytes.get(at..)?.first_chunk::<4>()?;
    Some((u32::from_be_bytes(*octets), at + 4))
}

fn accept() -> Vec<u8> {
    let words = [ACCEPT, FIELD_CONTENT_TYPE, CONTENT_TYPE.len() as u32];
    let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    body.extend_from_slice(CONTENT_TYPE);
    control_frame(&body)
}

pub(super) fn control_frame(body: &[u8]) -> Vec<u8> {
    [&[0; 4], &(body.len() as u32).to_be_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A control frame of these words, the last of which may be bytes with their length.
    fn control(kind: u32, content: Option<&[u8]>) -> Vec<u8> {
        let mut body = kind.to_be_bytes().to_vec();
        if let Some(content) = content {
            body.extend([0, 0, 0, 1]);
            body.extend((content.len() as u32).to_be_bytes());
            body.extend(content);
        }
        control_frame(&body)
    }

    fn content(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    /// What a stream that comes in pieces of a size gives, in words.
    fn read(stream: &[u8], size: usize) -> Vec<String> {
        let mut frames = Frames::default();
        let mut said = Vec::new();
        for piece in stream.chunks(size.min(stream.len().max(1))) {
            frames.feed(piece);
            loop {
                said.push(match frames.next_frame() {
                    Ok(None) => break,
                    Ok(Some(Frame::Content(bytes))) => format!("content {}", bytes.len()),
                    Ok(Some(Frame::Say([]))) => "started".to_owned(),
                    Ok(Some(Frame::Say(bytes))) => {
                        assert_eq!(bytes, control(ACCEPT, Some(CONTENT_TYPE)));
                        "accept".to_owned()
                    }
                    Ok(Some(Frame::End(bytes))) => {
                        let finish = control(FINISH, None);
                        assert!(bytes.is_empty() || bytes == finish, "{bytes:?}");
                        format!("end {}", bytes.len())
                    }
                    Err(error) => {
                        said.push(error.to_string());
                        return said;
                    }
                });
            }
        }
        if frames.is_owed() && said.last().is_none_or(|last| !last.starts_with("end")) {
            said.push("owed".to_owned());
        }
        said
    }

    #[test]
    fn streams_are_read_whatever_pieces_they_come_in() {
        let (ready, start) = (
            control(READY, Some(CONTENT_TYPE)),
            control(START, Some(CONTENT_TYPE)),
        );
        let (stop, early) = (
            control(STOP, None),
            "a frame before START: not a stream of frames",
        );
        let two = [content(b"abc"), content(&[7; 300])].concat();
        let type_error = "the stream's content type is not protobuf:dnstap.Dnstap";
        let many: Vec<u8> = {
            let field = |name: &[u8]| {
                [&[0, 0, 0, 1], &(name.len() as u32).to_be_bytes()[..], name].concat()
            };
            let body = [
                &READY.to_be_bytes()[..],
                &field(b"text"),
                &field(CONTENT_TYPE),
            ]
            .concat();
            control_frame(&body)
        };
        for (what, stream, expected) in [
            (
                "both ways",
                [&ready[..], &start, &two, &stop].concat(),
                &["accept", "started", "content 3", "content 300", "end 12"][..],
            ),
            (
                "one way",
                [&start[..], &two, &stop].concat(),
                &["started", "content 3", "content 300", "end 0"],
            ),
            ("several types to choose from", many, &["accept", "owed"]),
            (
                "no type",
                [control(READY, None), control(START, None)].concat(),
                &["accept", "started"],
            ),
            ("nothing", Vec::new(), &["owed"]),
            (
                "half of a frame",
                [&start[..], &content(b"abc")[..5]].concat(),
                &["started", "owed"],
            ),
            (
                "another type",
                control(READY, Some(b"protobuf:other")),
                &[type_error],
            ),
            (
                "another type at START",
                [&ready[..], &control(START, Some(b"x"))].concat(),
                &["accept", type_error],
            ),
            (
                "HTTP",
                b"GET / HTTP/1.1\r\n\r\n".to_vec(),
                &["a frame of 1195725856 octets; at most 262144 are read"],
            ),
            (
                "a frame before START",
                [&ready[..], &two].concat(),
                &["accept", early],
            ),
            (
                "a large frame",
                [&start[..], &[0, 4, 0, 1]].concat(),
                &[
                    "started",
                    "a frame of 262145 octets; at most 262144 are read",
                ],
            ),
            (
                "a large control frame",
                [0, 0, 0, 0, 0, 0, 2, 1].to_vec(),
                &["a control frame of 513 octets that can't be read"],
            ),
            (
                "an empty control frame",
                [0; 8].to_vec(),
                &["a control frame of 0 octets that can't be read"],
            ),
            (
                "a field of another kind",
                control_frame(&[0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0]),
                &["a control frame of 12 octets that can't be read"],
            ),
            (
                "a field longer than the frame",
                control_frame(&[0, 0, 0, 4, 0, 0, 0, 1, 255, 255, 255, 255]),
                &["a control frame of 12 octets that can't be read"],
            ),
            (
                "READY twice",
                [&ready[..], &ready].concat(),
                &["accept", "control frame 4 out of turn"],
            ),
            ("STOP first", stop.clone(), &["control frame 3 out of turn"]),
            (
                "a receiver",
                control(ACCEPT, Some(CONTENT_TYPE)),
                &["control frame 1 out of turn"],
            ),
            (
                "more after the end",
                [&start[..], &stop, &start].concat(),
                &["started", "end 0", "control frame 2 out of turn"],
            ),
        ] {
            for size in [1, 3, 16, usize::MAX] {
                assert_eq!(read(&stream, size), expected, "{what}, {size} at a time");
            }
        }
    }
}
