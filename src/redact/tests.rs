//! Masking as a whole.

use proptest::prelude::*;

use super::*;

fn masker() -> Masker {
    Masker::new(MaskKey([7; 32]), MaskRules::default())
}

/// Masks a body cut at these places.
fn mask_in(masker: &Masker, kind: Kind, content_type: Option<&str>, text: &[u8], cuts: &[usize]) -> (Vec<u8>, u32) {
    let mut body = masker.body(kind, content_type);
    let mut out = Vec::new();
    let mut from = 0;
    for &cut in cuts {
        let cut = cut.clamp(from, text.len());
        body.push(&text[from..cut], &mut out);
        from = cut;
    }
    body.push(&text[from..], &mut out);
    body.finish(&mut out);
    (out, body.hits())
}

fn mask(kind: Kind, text: &str) -> String {
    String::from_utf8(mask_in(&masker(), kind, None, text.as_bytes(), &[]).0).unwrap()
}

#[test]
fn json_members_by_name_at_any_depth() {
    for (text, kept, secrets) in [
        (r#"{"user":"bob","password":"hunter2hunter2"}"#, r#"{"user":"bob","password":"retake-secret-"#, 1),
        (r#"{"a":{"b":[{"access_token" : "abc"}]},"n":1}"#, r#"{"a":{"b":[{"access_token" : "retake-secret-"#, 1),
        (r#"{"pass\u0077ord":"x\"y","z":"keep"}"#, r#"{"pass\u0077ord":"retake-secret-"#, 1),
        (
            r#"{"body":"{\"password\": \"hunter2\", \"b\": \"keep\"}"}"#,
            r#"{"body":"{\"password\": \"retake-secret-"#,
            1,
        ),
        (r#"{"secret":["one-secret","two-secret"],"b":"keep"}"#, r#"{"secret":["retake-secret-"#, 2),
        (r#"{"password":12345678,"b":1}"#, r#"{"password":738253"#, 1),
    ] {
        let masked = mask(Kind::Json, text);
        assert!(masked.starts_with(kept), "{masked}");
        assert_eq!(mask_in(&masker(), Kind::Json, None, text.as_bytes(), &[]).1, secrets, "{masked}");
        let parsed: serde_json::Value = serde_json::from_str(&masked).unwrap();
        assert!(parsed.is_object());
        assert_eq!(masked.contains("keep"), text.contains("keep"));
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        r#"{"max_tokens":4096,"next_page_token":"abcdefghijkl","token_type":"Bearer","tokens":[1,2]}"#,
        r#"{"properties":{"password":{"type":"string"}},"required":["password","token"]}"#,
        r#"{"token":null,"password":"","secret":true,"token":5}"#,
        r#"{"url":"https://example.com:8080/a?page=2&sort=asc#top"}"#,
        "[\"password\"]",
        "{\"password\"",
    ] {
        assert_eq!(mask(Kind::Json, text), text);
    }
}

#[test]
fn forms_xml_multipart_events_and_text() {
    let form = mask(Kind::Form, "grant_type=password&user%5Bpassword%5D=hunter%202&client-secret=abc&x=1");
    assert!(form.starts_with("grant_type=password&user%5Bpassword%5D=retake-secret-"), "{form}");
    assert!(form.ends_with("&x=1") && !form.contains("=abc"), "{form}");
    let payload = mask(Kind::Form, "payload=%7B%22token%22%3A%22verysecret1%22%2C%22a%22%3A1%7D&b=2");
    assert!(!payload.contains("verysecret1") && payload.ends_with("%7D&b=2"), "{payload}");
    let xml = mask(
        Kind::Xml,
        "<a:Envelope><!-- <password>x</password> --><ns:Password> hunter2 </ns:Password><u token='t0ps3cret' id=\"1\"/><secret><![CDATA[abc<d]]></secret><b>keep</b></a:Envelope>",
    );
    assert!(xml.contains("<ns:Password> retake-secret-") && !xml.contains("hunter2"), "{xml}");
    assert!(!xml.contains("t0ps3cret") && !xml.contains("abc<d") && xml.ends_with("<b>keep</b></a:Envelope>"), "{xml}");
    let parts = "--B\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--B\r\nContent-Type: application/json\r\n\r\n{\"token\":\"abcdefghij1\"}\r\n--B\r\nContent-Type: image/png\r\n\r\npassword=ghp_16C7e42F292c6912E7710c838347\r\n--B--\r\n";
    let content_type = "multipart/form-data; boundary=B";
    let masked = mask_in(&masker(), Kind::Multipart, Some(content_type), parts.as_bytes(), &[]).0;
    let masked = String::from_utf8(masked).unwrap();
    assert!(!masked.contains("hunter2") && !masked.contains("abcdefghij1"), "{masked}");
    assert!(masked.ends_with("\r\n\r\npassword=ghp_16C7e42F292c6912E7710c838347\r\n--B--\r\n"), "{masked}");
    let events = mask(
        Kind::EventStream,
        "event: x\ndata: {\"token\": \"abcdefghij1\"}\n\ndata: {\"token\":\ndata: \"second-secret\"}\n\n",
    );
    assert!(!events.contains("abcdefghij1") && !events.contains("second-secret"), "{events}");
    let text = mask(Kind::Text, "see https://u:pw12@h/p?api_key=abc&x=1 and \\u0026sig=zzz AKIAIOSFODNN7EXAMPLE.");
    assert!(text.starts_with("see https://retake-secret-") && text.contains("&x=1 and \\u0026sig=retake-"), "{text}");
    assert!(text.contains(" retake-aws-") && text.ends_with('.'), "{text}");
}

#[test]
fn events_come_out_when_they_are_complete() {
    let mut body = masker().body(Kind::EventStream, None);
    let mut out = Vec::new();
    let event = b"id: 7\ndata: {\"a\": \"b\", \"token\": \"abcdefgh1\"}\n\n";
    body.push(event, &mut out);
    assert!(out.ends_with(b"}\n\n"), "{}", String::from_utf8_lossy(&out));
}

#[test]
fn a_value_masked_once_is_masked_wherever_it_comes_back() {
    let masker = masker();
    let mut fields = Fields::new();
    fields.push("Authorization", "Bearer planted/token+0123");
    fields.push("Cookie", "sid=cookie-planted-42; lang=en");
    fields.push("X-Api-Key", "api-planted-77");
    fields.push("Accept", "*/*");
    assert_eq!(masker.fields(&mut fields), 4);
    let authorization = fields.text("authorization").unwrap().into_owned();
    assert!(authorization.starts_with("Bearer retake-secret-"), "{authorization}");
    assert!(is_placeholder(&authorization) && is_placeholder(&fields.text("cookie").unwrap()));
    assert_eq!(fields.get("accept").unwrap(), b"*/*");
    for text in
        ["planted/token+0123", "planted%2Ftoken%2B0123", "planted\\/token+0123", "cookie-planted-42", "api-planted-77"]
    {
        let (out, hits) = mask_in(&masker, Kind::Text, None, format!("x{text}x").as_bytes(), &[4]);
        assert_eq!(hits, 1, "{text}");
        assert!(!String::from_utf8(out).unwrap().contains(text));
    }
    assert!(masker.path("/sessions/cookie-planted-42").starts_with("/sessions/retake-secret-"));
    assert_eq!(masker.query("a=1&b=2"), "a=1&b=2");
    assert!(masker.query("a=1&token=zz").starts_with("a=1&token=retake-"));
    let mut again = fields.clone();
    assert_eq!(masker.fields(&mut again), 0, "masked fields stay as they are");
    assert_eq!(again, fields);
}

#[test]
fn set_cookie_keeps_its_name_and_attributes() {
    let mut fields = Fields::new();
    fields.push("Set-Cookie", "sid=\"s3cr3t-value\"; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly");
    fields.push("Authorization", "Basic dXNlcjpwYXNzd29yZC0xMjM=");
    fields.push("Location", "https://h/cb#access_token=abcdef&state=1");
    let masker = masker();
    masker.fields(&mut fields);
    let cookie = fields.text("set-cookie").unwrap().into_owned();
    assert!(cookie.starts_with("sid=\"retake-secret-"), "{cookie}");
    assert!(cookie.ends_with("\"; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT; HttpOnly"), "{cookie}");
    assert!(fields.text("authorization").unwrap().starts_with("Basic cmV0YWtlLWJhc2lj"));
    let location = fields.text("location").unwrap().into_owned();
    assert!(location.starts_with("https://h/cb#access_token=retake-") && location.ends_with("&state=1"), "{location}");
    assert!(!masker.text("it was password-123 then").contains("password-123"));
}

fn ruled(rules: &[(&str, &str)]) -> Masker {
    let mut all = MaskRules::default();
    rules.iter().for_each(|(kind, value)| all.add(kind, value).unwrap());
    Masker::new(MaskKey([7; 32]), all)
}

fn masked_by(masker: &Masker, kind: Kind, text: &str) -> String {
    String::from_utf8(mask_in(masker, kind, None, text.as_bytes(), &[]).0).unwrap()
}

#[test]
fn places_in_json_are_masked_and_nothing_else_is() {
    let masker = ruled(&[("pointer", "/user/pin"), ("pointer", "/items/*/code"), ("pointer", "/whole")]);
    let text = r#"{"user":{"pin":"12 34","name":"keep"},"pin":"keep2","items":[{"code":"aa"},{"code":77,"x":1}],"a":[{"code":"keep3"}],"whole":{"x":["y",{"z":"w"}],"t":true}}"#;
    let masked = masked_by(&masker, Kind::Json, text);
    let parsed: serde_json::Value = serde_json::from_str(&masked).unwrap();
    for pointer in ["/user/pin", "/items/0/code", "/whole/x/0", "/whole/x/1/z"] {
        let value = parsed.pointer(pointer).unwrap().as_str().unwrap();
        assert!(is_placeholder(value), "{pointer}: {value}");
    }
    assert!(is_placeholder(&parsed["items"][1]["code"].to_string()), "{masked}");
    for kept in ["keep", "keep2", "keep3"] {
        assert!(masked.contains(&format!("\"{kept}\"")), "{masked}");
    }
    assert_eq!(parsed["whole"]["t"], true);
    assert_eq!(masked_by(&masker, Kind::Json, &masked), masked, "masking twice changes nothing");
    // Lines, events, and other places of a scope.
    let events = masked_by(
        &masker,
        Kind::EventStream,
        "data: {\"user\":\ndata: {\"pin\":\"ab\"}}\n\nid: 5\ndata: {\"pin\":\"keep\"}\n\n",
    );
    assert!(!events.contains("\"ab\"") && events.contains("\"keep\""), "{events}");
    let lines = masked_by(&masker, Kind::Text, "{\"user\":{\"pin\":\"ab\"}}\n{\"user\":{\"pin\":\"cd\"}}\n");
    assert!(!lines.contains("ab") && !lines.contains("cd"), "{lines}");
    let scoped = ruled(&[("pointer", "api.example.com/v1/* /pin")]);
    let text = r#"{"pin":"ab"}"#;
    assert_ne!(masked_by(&scoped, Kind::Json, text), text, "without a place all rules hold");
    assert_ne!(masked_by(&scoped.at("api.example.com", "/v1/users"), Kind::Json, text), text);
    assert_eq!(masked_by(&scoped.at("api.example.com", "/v2/users"), Kind::Json, text), text);
}

#[test]
fn false_alarms_can_be_kept() {
    let masker = ruled(&[("keep", "csrf"), ("keep", "/page/token"), ("keep", "/list/1")]);
    let text = r#"{"csrf":"shown-1","page":{"token":"shown-2"},"token":"hidden-1","secret":5555,"list":["a"]}"#;
    let masked = masked_by(&masker, Kind::Json, text);
    assert!(masked.contains("shown-1") && masked.contains("shown-2"), "{masked}");
    assert!(!masked.contains("hidden-1") && !masked.contains("5555"), "{masked}");
    let masker = ruled(&[("keep", "/token/1")]);
    let masked = masked_by(&masker, Kind::Json, r#"{"token":["hidden-1","shown-1","hidden-2"],"password":"hidden-3"}"#);
    assert!(masked.contains("shown-1") && !masked.contains("hidden"), "{masked}");
}

#[test]
fn expressions_are_looked_for_in_every_text() {
    let masker = ruled(&[("regex", "emp-[0-9]{6}"), ("regex", "pin is ([0-9]+)"), ("query", "code"), ("form", "pin")]);
    let masked = masked_by(&masker, Kind::Text, "a emp-123456, your pin is 4711.\nemp-12345 and emp-654321");
    assert!(masked.starts_with("a retake-secret-") && masked.contains("pin is 738253"), "{masked}");
    assert!(masked.contains("\nemp-12345 and retake-secret-"), "{masked}");
    assert_eq!(masked_by(&masker, Kind::Text, &masked), masked, "masking twice changes nothing");
    assert!(masker.path("/staff/emp-123456/x").starts_with("/staff/retake-secret-"));
    assert!(masker.query("code=ab&pin=cd").ends_with("&pin=cd") && !masker.query("code=ab").contains("ab"));
    let form = masked_by(&masker, Kind::Form, "code=ab&pin=cd");
    assert!(form.starts_with("code=ab&pin=retake-"), "{form}");
    let mut fields = Fields::new();
    fields.push("X-Staff", "emp-123456");
    assert_eq!(masker.fields(&mut fields), 1);
    let long = format!("{}emp-123456{}emp-654321\n", "x".repeat(30_000), "y".repeat(8_180));
    let masked = masked_by(&masker, Kind::Text, &long);
    assert!(!masked.contains("emp-"), "in lines that never end, too");
}

#[test]
fn what_the_user_named_is_masked_under_its_label() {
    let secrets = vec![KnownSecret { label: "API_KEY".into(), value: "planted-by-name".into() }];
    let masker = Masker::new(MaskKey([7; 32]), MaskRules { secrets, ..MaskRules::default() });
    for (kind, text) in [
        (Kind::Text, "say planted-by-name now"),
        (Kind::Json, r#"{"token":"planted-by-name"}"#),
        (Kind::Form, "a=planted-by-name"),
    ] {
        let masked = masked_by(&masker, kind, text);
        assert!(masked.contains("retake-api_key-") && !masked.contains("planted"), "{masked}");
    }
    let mut fields = Fields::new();
    fields.push("Authorization", "Bearer planted-by-name");
    fields.push("Cookie", "a=planted-by-name");
    masker.fields(&mut fields);
    assert!(fields.iter().all(|field| field.text().contains("retake-api_key-")), "{fields:?}");
    // Others push it out of no memory.
    (0..30_000).for_each(|number| masker.remember(&format!("another-secret-{number:08}"), "retake-secret-aaaaaaaaaa"));
    assert!(!masker.text("planted-by-name").contains("planted"));
}

fn wide(text: &str, is_big: bool) -> Vec<u8> {
    let unit = |unit: u16| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn base64_is_looked_into_and_stays_base64() {
    let masker = masker();
    masker.remember("hunter2-hunter2", "retake-secret-aaaaaaaaaa");
    let decoded = |coded: &str| -> String {
        let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
        String::from_utf8(base64::Engine::decode(&engine, coded.trim_end_matches('=')).unwrap()).unwrap()
    };
    let coded = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let json = coded(r#"{"user":"bob","password":"t0p"}"#);
    let spaced = coded("{ \"deep\": {\"api_key\": \"t0p\"} }");
    let pair = coded("bob:hunter2-hunter2");
    for value in [&json, &spaced, &pair] {
        for text in [format!("{{\"a\":\"{value}\",\"b\":1}}"), format!("[{{\"x\":[\"{value}\"]}}]")] {
            let masked = masked_by(&masker, Kind::Json, &text);
            let parsed: serde_json::Value = serde_json::from_str(&masked).unwrap();
            let inner = parsed["a"].as_str().or(parsed[0]["x"][0].as_str()).unwrap();
            let inner = decoded(inner);
            assert!(inner.contains("bob") || inner.contains("deep"), "{inner}");
            assert!(
                inner.contains("retake-secret-") && !inner.contains("t0p") && !inner.contains("hunter2"),
                "{inner}"
            );
            assert_eq!(masked_by(&masker, Kind::Json, &masked), masked, "masking twice changes nothing");
        }
        let mut fields = Fields::new();
        fields.push("X-Context", value.as_bytes());
        assert_eq!(masker.fields(&mut fields), 1, "{value}");
        assert!(decoded(&fields.text("x-context").unwrap()).contains("retake-secret-"));
    }
    // Where it begins so, in any text.
    for (kind, text) in [
        (Kind::Form, format!("a=1&state={json}&b=2")),
        (Kind::Xml, format!("<a>{json}</a>")),
        (Kind::Text, format!("see {json}, there")),
    ] {
        let masked = masked_by(&masker, kind, &text);
        assert!(!masked.contains(&json) && masked.contains(&json[..12]), "{masked}");
    }
    let slashes = coded("{\"token\":\"~~~???>>>\"}").replace('/', "\\/");
    assert!(slashes.contains('\\'), "{slashes}");
    let masked = masked_by(&masker, Kind::Json, &format!("{{\"a\":\"{slashes}\"}}"));
    assert!(!masked.contains(&slashes), "{masked}");
    for innocent in [coded(r#"{"user":"bob","next":"page"}"#), coded("04:User583231"), coded("bob:no-secret-seen")] {
        let text = format!("{{\"a\":\"{innocent}\"}}");
        assert_eq!(masked_by(&masker, Kind::Json, &text), text);
    }
}

#[test]
fn utf_16_stays_utf_16() {
    for is_big in [false, true] {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}{{\"é𝄞\":1,\"password\":\"pässw0rt𝄞\",\"z\":\"keep\"}}");
            let bytes = wide(&text, is_big);
            for kind in [Kind::Json, Kind::Text] {
                let (masked, hits) = mask_in(&masker(), kind, None, &bytes, &[1, 5, 44]);
                let unit = |pair: &[u8]| {
                    if is_big { u16::from_be_bytes([pair[0], pair[1]]) } else { u16::from_le_bytes([pair[0], pair[1]]) }
                };
                let units: Vec<u16> = masked.chunks(2).map(unit).collect();
                let masked = String::from_utf16(&units).unwrap();
                assert_eq!(hits, 1, "{masked}");
                assert!(masked.starts_with(&format!("{mark}{{\"é𝄞\":1,\"password\":\"retake-secret-")), "{masked}");
                assert!(masked.ends_with("\"z\":\"keep\"}"), "{masked}");
            }
            assert!(looks_like_text(&bytes));
        }
    }
    // Nothing is lost: halves of pairs, an odd byte at the end.
    let odd = [&[0xff, 0xfe, 0x00, 0xd8, 0x41, 0x00, 0x00, 0xdc][..], b"x"].concat();
    assert_eq!(mask_in(&masker(), Kind::Text, None, &odd, &[]).0, odd);
    let latin = b"caf\xe9: {\"password\": \"m\xfcnchen1\"}";
    assert!(looks_like_text(latin));
    let masked = mask_in(&masker(), Kind::Json, None, latin, &[]).0;
    assert!(masked.starts_with(b"caf\xe9: {\"password\": \"retake-secret-"), "{}", String::from_utf8_lossy(&masked));
    assert!(!looks_like_text(b"\xff\xd8\xff\xe0\x80\x90") && !looks_like_text(b"PK\x03\x04abcdefgh"));
}

#[test]
fn what_is_said_is_masked_where_it_looks_like_a_secret() {
    for (text, kept) in [
        ("login failed: password=hunter22 is wrong", "login failed: password=retake-secret-"),
        ("api_key: abc-123-def.", "api_key: retake-secret-"),
        ("DB_PASSWORD = \"hunter22\"", "DB_PASSWORD = \"retake-secret-"),
        ("user.password='hunter22', x", "user.password='retake-secret-"),
        (
            "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "export AWS_SECRET_ACCESS_KEY=retake-",
        ),
        ("Authorization: Basic b2N0b2NhdDpodW50ZXIy", "Authorization: Basic retake-"),
        (r#"{"error":"the token: abc123def is void"}"#, r#"{"error":"the token: retake-secret-"#),
        (r#"{"log":"{\"a\":\"secret=\\\"abc123def\\\"\"}"}"#, r#"{"log":"{\"a\":\"secret=\\\"retake-secret-"#),
    ] {
        let kind = if text.starts_with('{') { Kind::Json } else { Kind::Text };
        let masked = mask(kind, text);
        assert!(masked.starts_with(kept), "{masked}");
        assert!(!masked.contains("hunter22") && !masked.contains("abc"), "{masked}");
    }
    assert!(masker().text("cannot connect: password=hunter22").contains("password=retake-secret-"));
    let script = "var token=e.token1;password: check2(x)";
    let typed = |value: &str| {
        let out = mask_in(&masker(), Kind::Text, Some(value), b"token=abc123def", &[]).0;
        String::from_utf8(out).unwrap()
    };
    assert_eq!(typed("text/html; charset=utf-8"), "token=abc123def", "code is left alone");
    assert_ne!(typed("text/plain"), "token=abc123def");
    assert_eq!(mask_in(&masker(), Kind::Text, Some("text/javascript"), script.as_bytes(), &[]).0, script.as_bytes());
}

#[test]
fn the_shapes_of_vendors() {
    let hex = "0123456789abcdef0123456789abcdef";
    let word = "Aa0Bb1Cc2Dd3Ee4Ff5Gg6Hh7Ii8Jj9Kk0Ll1Mm2Nn3Oo4Pp5Qq6Rr7Ss8Tt9Uu0Vv1Ww2Xx3";
    for secret in [
        format!("glpat-{}", &word[..20]),
        format!("xoxb-{}", &word[..24]),
        format!("sk_live_{}", &word[..24]),
        format!("rk_test_{}", &word[..24]),
        format!("AIza{}", &word[..35]),
        format!("sk-proj-{}", &word[..48]),
        format!("sk-ant-api03-{}", &word[..60]),
        format!("SG.{}.{}", &word[..22], &word[..43]),
        format!("key-{hex}"),
        format!("npm_{}", &word[..36]),
        format!("hf_{}", &word[..34]),
        format!("dop_v1_{hex}{hex}"),
        format!("shpat_{hex}"),
        format!("shpca_{hex}"),
        format!("sq0atp-{}", &word[..22]),
        format!("dapi{hex}"),
        format!("ATATT3xFf{}=1A2B3C4D", &word[..60]),
        format!("HRKU-{}", &word[..36]),
        format!("gldt-{}", &word[..20]),
        format!("dckr_pat_{}", &word[..27]),
        format!("PMAK-{}-{}", &hex[..24], &hex[..20]),
    ] {
        for text in [format!("see {secret} there"), format!("{{\"x\":\"{secret}\"}}"), format!("u={secret}&b=1")] {
            let kind = if text.starts_with('{') { Kind::Json } else { Kind::Text };
            let masked = mask(kind, &text);
            assert!(masked.contains("retake-") && !masked.contains(&secret[secret.len() - 8..]), "{secret}: {masked}");
        }
    }
    let hook = format!("https://discord.com/api/webhooks/123456789012345678/{}", &word[..68]);
    assert!(!mask(Kind::Text, &hook).contains(word.get(..20).unwrap()));
    let block = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----";
    assert!(!mask(Kind::Text, block).contains("lQOYBF"));
}

/// What looks a little like a secret, and is none.
#[test]
fn innocent_values_stay() {
    let json = r#"{"max_tokens":4096,"next_page_token":"CAESBgoEGgIIAQ","token_type":"Bearer","prompt_tokens":12345,
        "sha":"9fceb02d0ae598e95dc970b74767f19372d61af8","id":"123e4567-e89b-12d3-a456-426614174000",
        "node_id":"MDQ6VXNlcjU4MzIzMQ==","etag":"W/\"3b1c-17f\"","publishable":"pk_live_51H8x9y2eZvKYlo2C","account":
        "AC0123456789abcdef0123456789abcdef","sid":"SK0123456789abcdef0123456789abcdef","url":"https://h/a?page=2&sort=asc",
        "digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","time":"2026-01-01T00:00:00Z",
        "image":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk","key":"key-value-store",
        "note":"the token: see below; password: required; secret: none; auth: /etc/auth1; token: ${TOKEN1}",
        "package":"sk-learn-contrib","class":"sk-toggleable__label-arrow","css":"shp_icon","bot":"/bots/12345","v":"1.2.3",
        "secretary":"bob","passenger":"ann","tokens":["a","b"],"author":"abc123def","keyboard":"qwerty1","has_token":true,
        "basic":"Basic dXNhZ2U","bearer":"Bearer tokens are used here","uid":"01HZX3K9Q4R5S6T7V8W9X0Y1Z2","n":738253}"#;
    assert_eq!(mask(Kind::Json, json), json);
    let text = "commit 9fceb02d0ae598e95dc970b74767f19372d61af8\nAuthor: Bob <bob@example.com>\ntoken: string\n\
        password: ********\nsecret: <none>\nsee https://example.com:8080/a;b=1?page=2#top, 10:45:12, ratio 3:1, a=b2c3d4e5\n\
        passwords: 123456 of them\nxoxo-and-kisses, hf_hub, npm_config_cache, ya29, eyJ, eyJhbGciOi, AKIA, AIzawa\n";
    assert_eq!(mask(Kind::Text, text), text);
    let form = "state=abc123def456&code_challenge=abc&page_token=x1y2z3&grant_type=password&scope=token";
    assert_eq!(mask(Kind::Form, form), form);
    let mut fields = Fields::new();
    for (name, value) in [
        ("ETag", "\"9fceb02d0ae598e95dc970b74767f19372d61af8\""),
        ("X-Request-Id", "123e4567-e89b-12d3-a456-426614174000"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("Digest", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
        ("X-GitHub-Request-Id", "C0DE:1234:ABCDEF:1234567:65F0C0DE"),
        ("Content-Security-Policy", "default-src 'none'; script-src 'nonce-abc123'"),
        ("WWW-Authenticate", "Bearer realm=\"api\", error=\"invalid_token\""),
        ("X-RateLimit-Remaining", "4999"),
    ] {
        fields.push(name, value);
    }
    let before = fields.clone();
    assert_eq!(masker().fields(&mut fields), 0, "{fields:?}");
    assert_eq!(fields, before);
}

#[test]
fn files_in_forms_are_looked_into() {
    let content_type = Some("multipart/form-data; boundary=B");
    let part =
        |head: &str, text: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n--B--\r\n");
    for (head, text, secret) in [
        ("name=\"token\"; filename=\"t.txt\"\r\nContent-Type: application/octet-stream", "abc", "abc"),
        ("name=\"f\"; filename=\"a.json\"\r\nContent-Type: application/octet-stream", "{\"password\":\"abc\"}", "abc"),
        ("name=\"f\"; filename=\"a.env\"", "API_KEY=abc123def\nX=1", "abc123def"),
    ] {
        let masked = mask_in(&masker(), Kind::Multipart, content_type, part(head, text).as_bytes(), &[70]).0;
        let masked = String::from_utf8(masked).unwrap();
        assert!(masked.contains("retake-secret-") && !masked.contains(secret), "{masked}");
        assert!(masked.ends_with("\r\n--B--\r\n"), "{masked}");
    }
    let binary =
        part("name=\"token\"; filename=\"x\"\r\nContent-Type: application/octet-stream", "\u{1}\u{2}\u{0}token=abc123");
    let masked = mask_in(&masker(), Kind::Multipart, content_type, binary.as_bytes(), &[]).0;
    assert_eq!(String::from_utf8_lossy(&masked), binary, "what is no text is left alone");
}

#[test]
fn size_does_not_matter() {
    let long = "s3cret-".repeat(30_000);
    for (kind, text) in [
        (Kind::Json, format!("{{\"token\":\"{long}\",\"after\":1}}")),
        (Kind::Form, format!("a=1&token={long}&after=1")),
        (Kind::Xml, format!("<x><token>{long}</token><y t='after'/></x>")),
        (Kind::Text, format!("ghp_{long} after")),
        (Kind::Text, format!("-----BEGIN RSA PRIVATE KEY-----\n{long}\n-----END RSA PRIVATE KEY----- after")),
        (Kind::Text, format!("?token={long}&after")),
        (Kind::Json, format!("{{\"pad\":\"{}\",\"token\":\"abcdefgh1\",\"after\":1}}", "x".repeat(100_000))),
    ] {
        let masked = mask(kind, &text);
        assert!(masked.contains("retake-") && masked.contains("after"), "{kind:?}");
        assert!(!masked.contains("s3cret") && !masked.contains("abcdefgh1"), "{kind:?}");
    }
}

#[test]
fn what_a_key_holds_is_no_name_of_what_follows_wherever_the_text_is_cut() {
    let text = b"-----BEGIN PRIVATE KEY-----MIIE password:-----ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let whole = mask_in(&masker(), Kind::Text, None, text, &[]).0;
    assert!(whole.windows(21).any(|part| part == b"-----retake-github-lc"), "{}", String::from_utf8_lossy(&whole));
    for cut in 0..text.len() {
        let cut_up = mask_in(&masker(), Kind::Text, None, text, &[cut]).0;
        assert_eq!(String::from_utf8_lossy(&cut_up), String::from_utf8_lossy(&whole), "{cut}");
    }
}

#[test]
fn off_passes_everything() {
    let text = br#"{"password":"hunter2"}"#;
    assert_eq!(mask_in(&Masker::off(), Kind::Json, None, text, &[3]).0, text);
    assert_eq!(Masker::off().query("token=1"), "token=1");
}

/// Pieces of which hostile texts are made: structure, names, shapes, secrets, garbage.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "\"",
        "\\\"",
        "\\\\\"",
        "\\",
        ":",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        " ",
        "=",
        "&",
        "?",
        "#",
        ";",
        "<",
        ">",
        "</",
        "/>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "'",
        "--B",
        "\r\n",
        "\r\n\r\n",
        "data: ",
        "password",
        "token",
        "api_key",
        "name",
        "%7B",
        "%5B",
        "%22",
        "+",
        "hunter2hunter2",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2ln",
        "eyJ",
        "ghp_",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "sk-",
        "Bearer ",
        "abcdef0123456789abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "://",
        "u:p@h",
        "-----BEGIN PRIVATE KEY-----",
        "-----",
        "retake-secret-abcdefghij",
        "retake-",
        "retake-pem-",
        "123456",
        "é",
        "\u{2028}",
        "/bot",
        "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        "Content-Disposition: form-data; name=\"password\"",
        "Content-Type: application/json",
        "Content-Type: application/octet-stream",
        "eyJwYXNzd29yZCI6ImFiYyJ9",
        "eyAicGFzc3dvcmQiOiJhYmMifQ==",
        "\"eyJwYXNzd29yZCI6ImFiYyJ9\"",
        "Zm9vOmh1bnRlcjJodW50ZXIy",
        "=hunter22",
        ": hunter22 ",
        "=\\\"",
        "Basic ",
        "shpat_0123456789abcdef0123456789abcdef",
        "xoxb-Aa0Bb1Cc2Dd3",
    ];
    prop_oneof![
        9 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ]
}

/// One of every kind, made so that the pieces hit them.
const RULES: &[(&str, &str)] = &[
    ("pointer", "/name"),
    ("pointer", "/*/name"),
    ("pointer", "/token/*"),
    ("keep", "/password"),
    ("keep", "api_key"),
    ("regex", "h[a-z]+2"),
    ("regex", "123(4+)"),
    ("query", "name"),
];

fn kinds() -> impl Strategy<Value = Kind> {
    proptest::sample::select(vec![Kind::Json, Kind::Form, Kind::Multipart, Kind::Xml, Kind::EventStream, Kind::Text])
}

#[test]
fn a_line_that_only_begins_as_a_delimiter_is_the_same_however_it_is_cut() {
    let text = b"--B\r\n\r\nx\r\n--Bold --strange\r\nContent-Type: application/json\r\n\r\n{\"token\":\"planted\"}\r\n--B--\r\n";
    let content_type = Some("multipart/form-data; boundary=B");
    for cut in 0..text.len() {
        let masked = mask_in(&masker(), Kind::Multipart, content_type, text, &[cut]).0;
        assert!(!String::from_utf8_lossy(&masked).contains("planted"), "cut at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 600 } else { 20_000 }))]

    #[test]
    fn cutting_changes_nothing(
        pieces in proptest::collection::vec(fragment(), 0..40),
        cuts in proptest::collection::vec(0..400_usize, 0..12),
        kind in kinds(),
        rules in any::<bool>(),
    ) {
        let masker = || if rules { ruled(RULES) } else { masker() };
        let text = pieces.concat();
        let mut cuts = cuts;
        cuts.sort_unstable();
        let content_type = Some("multipart/form-data; boundary=B");
        let whole = mask_in(&masker(), kind, content_type, &text, &[]);
        let cut = mask_in(&masker(), kind, content_type, &text, &cuts);
        prop_assert_eq!(String::from_utf8_lossy(&whole.0), String::from_utf8_lossy(&cut.0));
        let single: Vec<usize> = (0..text.len()).collect();
        let bytewise = mask_in(&masker(), kind, content_type, &text, &single);
        prop_assert_eq!(String::from_utf8_lossy(&whole.0), String::from_utf8_lossy(&bytewise.0));
    }

    #[test]
    fn utf_16_is_masked_as_utf_8_is(
        pieces in proptest::collection::vec(fragment(), 0..20),
        cuts in proptest::collection::vec(0..400_usize, 0..12),
        kind in kinds(),
        is_big in any::<bool>(),
    ) {
        // A zero byte behind the first character would make it UTF-16 by itself.
        let text = format!("xy{}", String::from_utf8_lossy(&pieces.concat()));
        let mut cuts = cuts;
        cuts.sort_unstable();
        let content_type = Some("multipart/form-data; boundary=B");
        let narrow = mask_in(&masker(), kind, content_type, text.as_bytes(), &[]).0;
        let masked = mask_in(&masker(), kind, content_type, &wide(&text, is_big), &cuts).0;
        prop_assert_eq!(masked, wide(&String::from_utf8_lossy(&narrow), is_big));
    }

    #[test]
    fn masking_twice_changes_nothing(
        pieces in proptest::collection::vec(fragment(), 0..40),
        kind in kinds(),
        rules in any::<bool>(),
    ) {
        let masker = || if rules { ruled(RULES) } else { masker() };
        let content_type = Some("multipart/form-data; boundary=B");
        let once = mask_in(&masker(), kind, content_type, &pieces.concat(), &[]).0;
        let twice = mask_in(&masker(), kind, content_type, &once, &[]).0;
        prop_assert_eq!(String::from_utf8_lossy(&once), String::from_utf8_lossy(&twice));
    }

    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in kinds()) {
        mask_in(&masker(), kind, Some("multipart/x; boundary=B"), &bytes, &[7]);
        let text = String::from_utf8_lossy(&bytes);
        is_placeholder(&text);
        masker().query(&text);
        let mut fields = Fields::new();
        for name in ["cookie", "set-cookie", "authorization", "x-api-key", "location"] {
            fields.push(name, bytes.clone());
        }
        masker().fields(&mut fields);
        let masked = fields.clone();
        masker().fields(&mut fields);
        prop_assert_eq!(masked, fields);
    }
}
