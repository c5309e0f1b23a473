//! Frame Streams, the sender's side, both ways: READY, ACCEPT, START, frames, STOP, FINISH. Bytes alone:
//! whoever has the socket sends and receives them.

use super::frames::{ACCEPT, CONTENT_TYPE, FINISH, READY, START, STOP, control_frame};

/// What a receiver said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Not enough yet.
    Nothing,
    /// It takes frames.
    Accept,
    /// It has everything.
    Finish,
}

/// The receiver's words, as they come.
#[derive(Debug, Default)]
pub struct Sender {
    bytes: Vec<u8>,
}

impl Sender {
    /// Returns what is said first.
    pub fn ready() -> Vec<u8> {
        control(READY, Some(CONTENT_TYPE))
    }

    /// Returns what is said when the receiver has accepted.
    pub fn start() -> Vec<u8> {
        control(START, Some(CONTENT_TYPE))
    }

    /// Returns what is said after the last frame.
    pub fn stop() -> Vec<u8> {
        control(STOP, None)
    }

    /// Adds a frame to what is to be sent.
    pub fn frame(content: &[u8], to_send: &mut Vec<u8>) {
        // A message holds a DNS message, and little beside it.
        to_send.extend(u32::try_from(content.len()).unwrap_or(0).to_be_bytes());
        to_send.extend(content);
    }

    /// Takes in what the receiver sent. `None` where it is no receiver of dnstap.
    pub fn hear(&mut self, piece: &[u8]) -> Option<Heard> {
        /// A control frame with a content type or a few.
        const LARGEST: usize = 512;
        self.bytes.extend(piece);
        let Some((head, rest)) = self.bytes.split_first_chunk::<8>() else {
            return Some(Heard::Nothing);
        };
        let [0, 0, 0, 0, length @ ..] = *head else {
            return None;
        };
        let length = u32::from_be_bytes(length) as usize;
        if !(4..=LARGEST).contains(&length) {
            return None;
        }
        let Some(frame) = rest.get(..length) else {
            return Some(Heard::Nothing);
        };
        let kind = frame.first_chunk().map(|word| u32::from_be_bytes(*word));
        let heard = match kind {
            Some(ACCEPT) if frame.len() == 4 || contains(frame, CONTENT_TYPE) => Heard::Accept,
            Some(FINISH) => Heard::Finish,
            _ => return None,
        };
        self.bytes.drain(..8 + length);
        Some(heard)
    }
}

fn contains(frame: &[u8], content: &[u8]) -> bool {
    frame.windows(content.len()).any(|part| part == content)
}

/// Returns a control frame, with a content type where there is one.
fn control(kind: u32, content: Option<&[u8]>) -> Vec<u8> {
    let mut body = kind.to_be_bytes().to_vec();
    if let Some(content) = content {
        body.extend(super::frames::FIELD_CONTENT_TYPE.to_be_bytes());
        body.extend((content.len() as u32).to_be_bytes());
        body.extend(content);
    }
    control_frame(&body)
}

#[cfg(test)]
mod tests {
    use super::super::{Frame, Frames};
    use super::*;

    #[test]
    fn our_own_receiver_understands_it() {
        let mut receiver = Frames::default();
        let mut sender = Sender::default();
        receiver.feed(&Sender::ready());
        let Ok(Some(Frame::Say(accept))) = receiver.next_frame() else {
            panic!("READY is not understood");
        };
        let accept = accept.to_vec();
        for octet in &accept[..accept.len() - 1] {
            assert_eq!(sender.hear(&[*octet]), Some(Heard::Nothing));
        }
        assert_eq!(
            sender.hear(&accept[accept.len() - 1..]),
            Some(Heard::Accept)
        );
        let mut bytes = Sender::start();
        Sender::frame(b"one", &mut bytes);
        Sender::frame(&[7; 400], &mut bytes);
        bytes.extend(Sender::stop());
        receiver.feed(&bytes);
        assert_eq!(receiver.next_frame(), Ok(Some(Frame::Say(&[]))));
        assert_eq!(receiver.next_frame(), Ok(Some(Frame::Content(b"one"))));
        assert_eq!(receiver.next_frame(), Ok(Some(Frame::Content(&[7; 400]))));
        let Ok(Some(Frame::End(finish))) = receiver.next_frame() else {
            panic!("STOP is not understood");
        };
        assert_eq!(sender.hear(finish), Some(Heard::Finish));
    }

    #[test]
    fn what_is_no_receiver_is_told_apart() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request"[..],
            &[0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0xff, 0, 0, 0],
            &Sender::ready(),
            &control(ACCEPT, Some(b"protobuf:other")),
        ] {
            assert_eq!(Sender::default().hear(bytes), None, "{bytes:?}");
        }
    }
}
