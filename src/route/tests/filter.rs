//! Hard filters and the soft preference: what is dropped, and why.

use serde_json::{Value, json};
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::catalog::Modality;

#[test]
fn what_a_wire_format_cannot_say_takes_its_endpoint_out() {
    let mut document = document(&three());
    document["providers"]["beta"]["api"] = "bedrock".into();
    let config = config(&document);
    let text = json!([{"role": "user", "content": "Hi"}]);
    let strict = json!({"require_parameters": true});
    for (body, lost) in [
        (json!({"messages": text}), None),
        (json!({"messages": text, "n": 1}), None),
        (json!({"messages": text, "n": 2}), Some("n")),
        (json!({"messages": image("data:image/png;base64,AAAA")}), None),
        (json!({"messages": image("https://x.test/y.png")}), Some("messages.url")),
        (json!({"messages": text, "seed": 7}), None),
        (json!({"messages": text, "seed": 7, "provider": strict}), Some("seed")),
        (json!({"messages": text, "temperature": 0.5, "provider": strict}), None),
    ] {
        let mut body = body;
        body["model"] = "x/m".into();
        let plan = plan_in(&config, &body, &Health::default(), 1);
        let reasons: Vec<_> = plan.dropped.iter().map(|drop| drop.reason.clone()).collect();
        assert_eq!(reasons, lost.map(Reason::Parameter).into_iter().collect::<Vec<_>>(), "{body}");
    }
}

#[test]
fn an_endpoint_without_a_key_is_dropped() {
    let endpoints =
        json!([{"provider": "keyless", "model": "k"}, {"provider": "beta", "model": "b"}]);
    check(&endpoints, &json!({}), &[B], &[("keyless/k", Reason::NoKey("NOT_SET".to_owned()))]);
}

#[test]
fn only_and_ignore_name_providers_in_every_way_a_client_knows() {
    let tagged = json!([
        {"provider": "alpha", "model": "a", "tag": "eu"},
        {"provider": "alpha", "model": "a", "tag": "us/fp8"},
        {"provider": "beta", "model": "b"},
    ]);
    let (eu, us) = ("alpha/a#eu", "alpha/a#us/fp8");
    for name in ["alpha", "ALPHA", "Alpha AI", "alpha ai"] {
        check(&tagged, &json!({"provider": {"only": [name]}}), &[eu, us], &[(B, Reason::Only)]);
        check(
            &tagged,
            &json!({"provider": {"ignore": [name]}}),
            &[B],
            &[(eu, Reason::Ignore), (us, Reason::Ignore)],
        );
    }
    check(
        &tagged,
        &json!({"provider": {"only": ["alpha/eu"]}}),
        &[eu],
        &[(us, Reason::Only), (B, Reason::Only)],
    );
    check(
        &tagged,
        &json!({"provider": {"ignore": ["alpha/us/fp8"]}}),
        &[eu, B],
        &[(us, Reason::Ignore)],
    );
    check(
        &tagged,
        &json!({"provider": {"only": ["beta/eu", "beta/", "alpha/x", "al"]}}),
        &[],
        &[(eu, Reason::Only), (us, Reason::Only), (B, Reason::Only)],
    );
    check(
        &tagged,
        &json!({"provider": {"only": ["alpha"], "ignore": ["alpha/eu"]}}),
        &[us],
        &[(eu, Reason::Ignore), (B, Reason::Only)],
    );
    check(&tagged, &json!({"provider": {"only": null, "ignore": []}}), &[eu, us, B], &[]);
}

/// Columns: members of the body, the expected steps, and what was dropped for which reason.
type Row<'a> = (Value, &'a [&'a str], &'a [(&'a str, Reason)]);

#[test]
fn data_policy_is_a_hard_filter_and_unknown_counts_as_the_worst() {
    let (trains, retains) = (Reason::Trains, Reason::Retains);
    let rows: [Row<'_>; 4] = [
        (json!({"data_collection": "deny"}), &[A, B], &[(C, trains)]),
        (json!({"data_collection": "allow"}), &[A, B, C], &[]),
        (json!({"zdr": true}), &[A], &[(B, retains.clone()), (C, retains)]),
        (json!({"zdr": false}), &[A, B, C], &[]),
    ];
    for (preferences, steps, dropped) in rows {
        check(&three(), &preferring(preferences), steps, dropped);
    }
}

/// These endpoints, each dropped for the same reason.
fn all_for<'a>(endpoints: &[&'a str], reason: Reason) -> Vec<(&'a str, Reason)> {
    endpoints.iter().map(|endpoint| (*endpoint, reason.clone())).collect()
}

#[test]
fn quantizations_are_a_hard_filter_in_which_a_width_covers_its_variants() {
    let endpoints = json!([
        {"provider": "alpha", "model": "a", "quantization": "fp8"},
        {"provider": "beta", "model": "b", "quantization": "mxfp8"},
        {"provider": "gamma", "model": "c"},
    ]);
    let fours = json!([
        {"provider": "alpha", "model": "a", "quantization": "nvfp4"},
        {"provider": "beta", "model": "b", "quantization": "mxfp4"},
        {"provider": "gamma", "model": "c", "quantization": "int4"},
    ]);
    let rows: [(_, _, &[&str], &[&str]); 4] = [
        (&endpoints, json!(["fp8"]), &[A, B], &[C]),
        (&endpoints, json!(["mxfp8", "unknown"]), &[B, C], &[A]),
        (&endpoints, json!(["fp4"]), &[], &[A, B, C]),
        (&fours, json!(["fp4"]), &[A, B], &[C]),
    ];
    for (endpoints, names, steps, dropped) in rows {
        let dropped = all_for(dropped, Reason::Quantization);
        check(endpoints, &preferring(json!({"quantizations": names})), steps, &dropped);
    }
}

#[test]
fn prices_are_bounded_per_million_tokens_and_unknown_ones_are_too_high() {
    let endpoints = json!([
        {
            "provider": "alpha",
            "model": "a",
            "pricing": {"prompt": "0.000001", "completion": "0.000002"},
        },
        {
            "provider": "beta",
            "model": "b",
            "pricing": {"prompt": "0.0000010001", "completion": "0.000002", "request": "0.1"},
        },
        {"provider": "gamma", "model": "c"},
    ]);
    let rows: [(Value, &[&str], &[&str]); 9] = [
        (json!({"prompt": 1}), &[A], &[B, C]),
        (json!({"prompt": "1"}), &[A], &[B, C]),
        (json!({"prompt": 1.0}), &[A], &[B, C]),
        (json!({"prompt": "1.00"}), &[A], &[B, C]),
        (json!({"completion": 2}), &[A, B], &[C]),
        (json!({"prompt": 5, "completion": 1.99}), &[], &[A, B, C]),
        (json!({"request": "0.09"}), &[A, C], &[B]),
        (json!({"image": 0}), &[A, B, C], &[]),
        (json!({}), &[A, B, C], &[]),
    ];
    for (max, steps, dropped) in rows {
        let dropped = all_for(dropped, Reason::MaxPrice);
        check(&endpoints, &preferring(json!({"max_price": max})), steps, &dropped);
    }
}

#[test]
fn what_does_not_fit_is_dropped() {
    let endpoints = json!([
        {"provider": "alpha", "model": "a", "context_length": 100, "max_completion_tokens": 50},
        {"provider": "beta", "model": "b", "context_length": 1000},
        {"provider": "gamma", "model": "c"},
    ]);
    let long = "x".repeat(798);
    let (output, context) = (Reason::OutputLength, Reason::ContextLength);
    check(&endpoints, &json!({"max_tokens": 50}), &[A, B, C], &[]);
    check(&endpoints, &json!({"max_tokens": 51}), &[B, C], &[(A, output.clone())]);
    check(
        &endpoints,
        &json!({"max_completion_tokens": 1001}),
        &[C],
        &[(A, output), (B, context.clone())],
    );
    check(&endpoints, &json!({"prompt": long}), &[A, B, C], &[]);
    check(&endpoints, &json!({"prompt": long, "max_tokens": 1}), &[B, C], &[(A, context)]);
}

#[test]
fn kinds_of_input_are_a_hard_filter() {
    let mut document = document(&three());
    document["models"][0]["input_modalities"] = json!(["text", "image"]);
    let config = config(&document);
    for (kind, dropped) in
        [("image_url", None), ("text", None), ("input_audio", Some(Modality::Audio))]
    {
        let body = json!({"model": "m", "messages": [{"content": [{"type": kind}]}]});
        let plan = plan_in(&config, &body, &Health::default(), 1);
        let reasons: Vec<_> = plan.dropped.iter().map(|drop| drop.reason.clone()).collect();
        match dropped {
            None => assert_eq!((plan.steps.len(), reasons), (3, vec![]), "{kind}"),
            Some(modality) => assert_eq!(reasons, vec![Reason::Modality(modality); 3], "{kind}"),
        }
    }
}

#[test]
fn required_parameters_are_a_hard_filter_and_capabilities_a_preference() {
    let endpoints = json!([
        {
            "provider": "alpha",
            "model": "a",
            "supported_parameters": ["temperature", "response_format"],
        },
        {"provider": "beta", "model": "b", "supported_parameters": ["tools", "seed"]},
    ]);
    let lacks = Reason::Parameter;
    let required: [Row<'_>; 5] = [
        (json!({"temperature": 1}), &[A], &[(B, lacks("temperature"))]),
        (json!({"seed": 1}), &[B], &[(A, lacks("seed"))]),
        (json!({"seed": null}), &[A, B], &[]),
        (json!({"top_k": 1}), &[], &[(A, lacks("top_k")), (B, lacks("top_k"))]),
        (json!({"unheard_of": 1}), &[A, B], &[]),
    ];
    for (mut body, steps, dropped) in required {
        body["provider"] = json!({"require_parameters": true});
        check(&endpoints, &body, steps, dropped);
    }
    // Only tools and the response format are preferred, and only where an endpoint has them.
    check(&endpoints, &json!({"temperature": 1, "top_k": 1}), &[A, B], &[]);
    check(&endpoints, &json!({"tools": [{}]}), &[B], &[(A, lacks("tools"))]);
    check(&endpoints, &json!({"response_format": {}}), &[A], &[(B, lacks("response_format"))]);
    check(&endpoints, &json!({"tools": null}), &[A, B], &[]);
    let nobody = json!([{"provider": "alpha", "model": "a", "supported_parameters": []}]);
    check(&nobody, &json!({"tools": [{}]}), &[A], &[]);
    let unknown = json!([
        {"provider": "alpha", "model": "a"},
        {"provider": "beta", "model": "b", "supported_parameters": []},
    ]);
    check(&unknown, &json!({"tools": [{}]}), &[A], &[(B, lacks("tools"))]);
}

#[test]
fn only_distillable_models_may_be_asked_for_by_name() {
    let body = json!({"provider": {"enforce_distillable_text": true}});
    let no = Reason::Distillable;
    check(&three(), &body, &[], &[(A, no.clone()), (B, no.clone()), (C, no)]);
    check(&three(), &json!({"provider": {"enforce_distillable_text": false}}), &[A, B, C], &[]);
    let mut document = document(&three());
    document["models"][0]["distillable"] = true.into();
    let config = config(&document);
    let plan = plan_in(
        &config,
        &json!({"model": "m", "provider": body["provider"]}),
        &Health::default(),
        1,
    );
    assert_eq!(plan.steps.len(), 3);
}

#[test]
fn audio_has_a_price_bound_where_there_is_audio() {
    let endpoints = json!([
        {"provider": "alpha", "model": "a", "pricing": {"audio": "0.00004"}},
        {"provider": "beta", "model": "b"},
    ]);
    let audio = json!([{"role": "user", "content": [{"type": "input_audio"}]}]);
    let rows: [(u64, Value, &[&str], &[&str]); 3] =
        [(40, audio.clone(), &[A], &[B]), (39, audio, &[], &[A, B]), (39, json!([]), &[B], &[A])];
    for (max, messages, steps, dropped) in rows {
        let body = json!({"messages": messages, "provider": {"max_price": {"audio": max}}});
        check(&endpoints, &body, steps, &all_for(dropped, Reason::MaxPrice));
    }
}

#[test]
fn a_fallback_model_never_loses_a_capability_in_silence() {
    let mut document =
        document(&json!([{"provider": "alpha", "model": "a", "supported_parameters": ["tools"]}]));
    document["models"][1]["endpoints"][0]["supported_parameters"] = json!([]);
    let config = config(&document);
    for models in [["x/m", "x/other"], ["x/other", "x/m"]] {
        let plan =
            plan_in(&config, &json!({"models": models, "tools": [{}]}), &Health::default(), 1);
        assert_eq!(ids(&config, &plan), [A], "{models:?}");
        assert_eq!(plan.dropped[0].reason, Reason::Parameter("tools"));
    }
}

#[test]
fn full_slugs_are_read_without_regard_to_case() {
    for name in ["alpha/us", "Alpha/US"] {
        let body = preferring(json!({"only": [name]}));
        check(&regional(), &body, &["alpha/a#us"], &[("alpha/a#eu", Reason::Only)]);
    }
    let none = [("alpha/a#eu", Reason::Only), ("alpha/a#us", Reason::Only)];
    for name in ["alphaé/us", "alph", "alpha/", "alpha/u", "alpha/us/x", ""] {
        check(&regional(), &preferring(json!({"only": [name]})), &[], &none);
    }
}
