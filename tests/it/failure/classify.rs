//! The classifier for tower-http agrees with the layer, below it and above it.

use crate::support::{Refused, get, hasty, script::*};
use http::Response;
use revio_status::{
    BoxError, Error, ServiceError, StatusKind,
    classify::{FailureClass, StatusClassifier},
};
use tower::{Layer, ServiceExt};
use tower_http::classify::{ClassifiedResponse, ClassifyResponse};

fn of_response(status: u16, retry_after: Option<&str>) -> Option<FailureClass> {
    let mut response = Response::builder().status(status);
    if let Some(value) = retry_after {
        response = response.header("retry-after", value);
    }
    let response = response.body(()).expect("valid");
    match StatusClassifier::default().classify_response(&response) {
        ClassifiedResponse::Ready(verdict) => verdict.err(),
        ClassifiedResponse::RequiresEos(_) => panic!("the headers suffice"),
    }
}

#[tokio::test]
async fn classifier_agrees_with_the_layer() {
    for status in 200..=999 {
        let result = hasty()
            .never_retry()
            .layer(Script::new([status]))
            .oneshot(get())
            .await;
        let kind = result.err().and_then(|error| error.kind());
        assert_eq!(
            of_response(status, None),
            kind.map(FailureClass::Status),
            "{status}"
        );
    }
    let quota = FailureClass::Status(StatusKind::QuotaExceeded);
    assert_eq!(of_response(403, Some("60")), Some(quota));
}

#[tokio::test]
async fn error_above_the_layer_keeps_its_kind() {
    let refused = || async {
        hasty()
            .layer(Script::new([404]))
            .oneshot(get())
            .await
            .refused()
    };
    let not_found = FailureClass::Status(StatusKind::NotFound);
    let classify = StatusClassifier::default;
    assert_eq!(classify().classify_error(&refused().await), not_found);
    assert_eq!(
        classify().classify_error(&Error::from(refused().await)),
        not_found
    );
    let boxed: BoxError = Error::from(refused().await).into();
    assert_eq!(classify().classify_error(&boxed), not_found);
    let wrapped = Error::from(ServiceError::new(boxed));
    assert_eq!(classify().classify_error(&wrapped), not_found);
    let broken = std::io::Error::other("http://user:hunter2@api.test/");
    assert_eq!(classify().classify_error(&broken), FailureClass::NoResponse);
}

#[test]
fn failure_class_displays_its_name() {
    assert_eq!(
        FailureClass::Status(StatusKind::NotFound).to_string(),
        "not_found"
    );
    assert_eq!(FailureClass::NoResponse.to_string(), "no_response");
}
