//! Method: documents as they are on the wire, and sockets that lie.

use expect_test::expect;

use super::*;

#[test]
fn a_document_comes_back_as_it_was_sent() {
    let domain = "4a2f0d6e-6c0f-4a41-8d0b-8a1f1f1f1f1f".to_owned();
    let sent = Request { id: 7, call: Call::BlockInfo { domain, target: "vda".into() } };
    let mut wire = Vec::new();
    write_frame(&mut wire, &sent).expect("fits");
    expect![[r#"{"id":7,"call":{"op":"blockInfo","domain":"4a2f0d6e-6c0f-4a41-8d0b-8a1f1f1f1f1f","target":"vda"}}"#]]
        .assert_eq(&String::from_utf8_lossy(&wire[4..]));
    let got: Option<Request> = read_frame(wire.as_slice()).expect("whole");
    assert_eq!(got, Some(sent));
}

#[test]
fn replies_and_failures_keep_their_shape() {
    let failure = Failure { kind: FailureKind::Busy, message: "held".into() };
    let reply = Message::Reply { id: 1, result: Err(failure) };
    let mut wire = Vec::new();
    write_frame(&mut wire, &reply).expect("fits");
    expect![[r#"{"message":"reply","id":1,"result":{"Err":{"kind":"busy","message":"held"}}}"#]]
        .assert_eq(&String::from_utf8_lossy(&wire[4..]));
    assert_eq!(read_frame::<Message>(wire.as_slice()).expect("whole"), Some(reply));
}

#[test]
fn a_closed_socket_is_an_end_only_between_frames() {
    assert!(matches!(read_frame::<Request>(&[][..]), Ok(None)));
    for cut in [&[0][..], &[0, 0, 0, 9], &[0, 0, 0, 9, b'{']] {
        assert!(matches!(read_frame::<Request>(cut), Err(FrameError::Io(_))), "{cut:?}");
    }
}

#[test]
fn a_lying_length_allocates_nothing() {
    let wire = [0xff, 0xff, 0xff, 0xff];
    assert!(matches!(read_frame::<Request>(&wire[..]), Err(FrameError::TooLong { .. })));
}

#[test]
fn garbage_is_refused() {
    let wire = [0, 0, 0, 2, b'{', b'}'];
    assert!(matches!(read_frame::<Request>(&wire[..]), Err(FrameError::Malformed(_))));
}
