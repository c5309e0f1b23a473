//! What is asked about a token, and what comes of the answers.

use crate::watch::client::Api;
use crate::watch::review::{Access, Reviews};
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::io::Error;
use std::sync::{Arc, Mutex};

const TOKENS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// What the server says: a status and a body; a code of 0 is no answer at all, and 1 none for ever.
type Reply = (u16, String);

/// Reviews a token, and returns what came of it and what was asked.
async fn review(audiences: &[&str], replies: Vec<Reply>) -> (Access, Vec<(String, Value)>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let replies = Arc::new(Mutex::new(replies.into_iter()));
    let seen = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (seen, replies) = (seen.clone(), replies.clone());
        async move {
            assert_eq!(request.method(), "POST");
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let object = serde_json::from_slice(&body).unwrap();
            seen.lock().unwrap().push((path, object));
            let next = replies.lock().unwrap().next();
            let (code, body) = next.expect("one question more than answers");
            match code {
                0 => return Err(Error::other("connection refused")),
                1 => std::future::pending::<()>().await,
                _ => {}
            }
            let body = Body::from(body.into_bytes());
            Ok(Response::builder().status(code).body(body).unwrap())
        }
    });
    let api = Api::of(Client::new(service, "default"));
    let audiences = audiences.iter().map(|a| (*a).into()).collect();
    let access = Reviews::of(api, audiences)
        .review("s3cret", "/metrics")
        .await;
    let asked = asked.lock().unwrap().clone();
    (access, asked)
}

fn status(status: &Value) -> Reply {
    (
        201,
        json!({"spec": {"token": "s3cret"}, "status": status}).to_string(),
    )
}

fn known(audiences: &[&str]) -> Reply {
    let user =
        json!({"username": "prometheus", "uid": "7", "groups": ["a", "b"], "extra": {"k": ["v"]}});
    status(&json!({"authenticated": true, "user": user, "audiences": audiences}))
}

#[tokio::test(start_paused = true)]
async fn a_token_is_reviewed_and_then_what_its_bearer_may() {
    let replies = vec![known(&["api"]), status(&json!({"allowed": true}))];
    let (access, asked) = review(&[], replies).await;
    assert_eq!(access, Access::Allowed);
    let expected = [
        (
            TOKENS.to_owned(),
            json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                "spec": {"token": "s3cret"},
            }),
        ),
        (
            ACCESS.to_owned(),
            json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": {
                    "user": "prometheus", "uid": "7", "groups": ["a", "b"], "extra": {"k": ["v"]},
                    "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
                },
            }),
        ),
    ];
    assert_eq!(asked, expected);
    let replies = vec![known(&["x", "b"]), status(&json!({"allowed": true}))];
    let (access, asked) = review(&["a", "b"], replies).await;
    assert_eq!(access, Access::Allowed);
    assert_eq!(asked[0].1["spec"]["audiences"], json!(["a", "b"]));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_surely_a_yes_is_one() {
    let stranger = || status(&json!({"authenticated": false, "error": "invalid bearer token"}));
    let nameless = || status(&json!({"authenticated": true, "user": {}}));
    for (what, audiences, replies, expected) in [
        ("a stranger", &[][..], vec![stranger()], Access::Unknown),
        (
            "an empty status",
            &[],
            vec![status(&json!({}))],
            Access::Unknown,
        ),
        ("nobody's name", &[], vec![nameless()], Access::Unknown),
        (
            "meant for another",
            &["a"],
            vec![known(&["b"])],
            Access::Unknown,
        ),
        (
            "meant for nobody named",
            &["a"],
            vec![known(&[])],
            Access::Unknown,
        ),
        (
            "no right",
            &[],
            vec![known(&[]), status(&json!({"allowed": false}))],
            Access::Forbidden,
        ),
        (
            "a right denied",
            &[],
            vec![
                known(&[]),
                status(&json!({"allowed": true, "denied": true})),
            ],
            Access::Forbidden,
        ),
        (
            "no word of a right",
            &[],
            vec![known(&[]), status(&json!({}))],
            Access::Forbidden,
        ),
        (
            "no connection",
            &[],
            vec![(0, String::new())],
            Access::Unavailable,
        ),
        (
            "silence",
            &[],
            vec![(1, String::new())],
            Access::Unavailable,
        ),
        (
            "silence after the first answer",
            &[],
            vec![known(&[]), (1, String::new())],
            Access::Unavailable,
        ),
        (
            "our credentials",
            &[],
            vec![(401, "{}".into())],
            Access::Unavailable,
        ),
        (
            "our role",
            &[],
            vec![(403, "{}".into())],
            Access::Unavailable,
        ),
        (
            "our role's second verb",
            &[],
            vec![known(&[]), (403, "{}".into())],
            Access::Unavailable,
        ),
        (
            "overload",
            &[],
            vec![(429, "{}".into())],
            Access::Unavailable,
        ),
        (
            "no JSON",
            &[],
            vec![(201, "yes".into())],
            Access::Unavailable,
        ),
        (
            "no status",
            &[],
            vec![(201, "{}".into())],
            Access::Unavailable,
        ),
        (
            "an answer without end",
            &[],
            vec![(201, known(&[]).1 + &" ".repeat(2_000_000))],
            Access::Unavailable,
        ),
    ] {
        let questions = replies.len();
        let (access, asked) = review(audiences, replies).await;
        assert_eq!((access, asked.len()), (expected, questions), "{what}");
    }
}
