//! What is proposed for each cause of a miss: all titles but those of what is a command only.

use super::changes;

/// The stubs, the call, and the titles.
type Case = (Vec<String>, String, Vec<String>);

#[track_caller]
fn each(cases: Vec<Case>) {
    for (stubs, line, expected) in cases {
        let stubs: Vec<&str> = stubs.iter().map(String::as_str).collect();
        assert_eq!(changes(&stubs, &line), expected, "{line}");
    }
}

fn uuid(last: u32) -> String {
    format!("0193f3a2-7c1e-7d30-9a55-2f6f0c1be{last:03}")
}

fn one_more(name: &str) -> String {
    format!("add a scenario for this call, with the answer of `{name}` until you edit it")
}

fn default(name: &str, stub: &str) -> String {
    format!("let `{name}` answer every call of {stub} that no other scenario answers")
}

#[test]
fn of_a_query_or_a_field() {
    each(vec![
        // A value that may matter: another scenario first, then the rule, which says what it lets pass.
        (
            vec!["GET /search | two ?q=a&page=2".into()],
            "GET /search?q=a&page=3".into(),
            vec![
                one_more("two"),
                "in GET /search, take any value for the query's `page`, so that `two` answers whatever it is".into(),
                default("two", "GET /search"),
            ],
        ),
        // One that is made up: the rule first.
        (
            vec![format!("GET /x | a ?id={}", uuid(1))],
            format!("GET /x?id={}", uuid(2)),
            vec![
                "in GET /x, take anything that looks like a UUID for the query's `id`".into(),
                one_more("a"),
                default("a", "GET /x"),
            ],
        ),
        (
            vec!["GET /x | a".into()],
            "GET /x?utm_source=mail".into(),
            vec!["in GET /x, ignore the query's `utm_source`".into(), one_more("a"), default("a", "GET /x")],
        ),
        (
            vec!["GET /x | a ?q=1".into()],
            "GET /x".into(),
            vec![
                one_more("a"),
                "in GET /x, ignore the query's `q`, so that `a` answers with it and without".into(),
                default("a", "GET /x"),
            ],
        ),
        (
            vec![format!("GET /x | a Cookie:sid={}", uuid(1))],
            format!("GET /x Cookie:sid={}", uuid(2)),
            vec![
                "in GET /x, take anything that looks like a UUID for the cookie `sid`".into(),
                one_more("a"),
                default("a", "GET /x"),
            ],
        ),
        (
            vec!["GET /x | a X-Trace-Id:one".into()],
            "GET /x X-Trace-Id:two".into(),
            vec!["in GET /x, take any value for the field `X-Trace-Id`".into(), one_more("a"), default("a", "GET /x")],
        ),
    ]);
}

#[test]
fn of_a_body() {
    each(vec![
        // Something missing may matter, whatever it looked like.
        (
            vec![format!("POST /login | in {{\"client_ref\":\"{}\",\"user\":\"u\"}}", uuid(1))],
            "POST /login {\"user\":\"u\"}".into(),
            vec![
                one_more("in"),
                "in POST /login, ignore the JSON member `/client_ref`, so that `in` answers with it and without".into(),
                default("in", "POST /login"),
            ],
        ),
        // Of an array one rule for all elements.
        (
            vec![format!("POST /o | a {{\"items\":[{{\"id\":\"{}\"}},{{\"id\":\"{}\"}}]}}", uuid(1), uuid(2))],
            format!("POST /o {{\"items\":[{{\"id\":\"{}\"}},{{\"id\":\"{}\"}}]}}", uuid(3), uuid(4)),
            vec![
                "in POST /o, take anything that looks like a UUID for the JSON member `/items/*/id`".into(),
                one_more("a"),
                default("a", "POST /o"),
            ],
        ),
        (
            vec!["POST /o | a {\"tags\":[1,\"b\",{\"c\":3}],\"n\":1}".into()],
            "POST /o {\"n\":1,\"tags\":[{\"c\":3},1,\"b\"]}".into(),
            vec![
                "in POST /o, let `a` take the elements of `/tags` in any order".into(),
                one_more("a"),
                default("a", "POST /o"),
            ],
        ),
        // What is contradicted is enough, where the rest may differ.
        (
            vec!["POST /o | a {\"a\":1,\"b\":2,\"c\":3,\"nonce\":4}".into()],
            "POST /o {\"a\":1,\"b\":2,\"c\":3,\"nonce\":5,\"d\":6}".into(),
            vec![
                "in POST /o, take any value for the JSON member `/nonce`".into(),
                one_more("a"),
                default("a", "POST /o"),
            ],
        ),
        (
            vec!["POST /o | a a=1&b=2".into()],
            "POST /o a=1&b=3".into(),
            vec![
                one_more("a"),
                "in POST /o, take any value for the form's `b`, so that `a` answers whatever it is".into(),
                default("a", "POST /o"),
            ],
        ),
        // No rule can name a part of a text.
        (vec!["PUT /o | a one two".into()], "PUT /o one three".into(), vec![one_more("a"), default("a", "PUT /o")]),
    ]);
}

#[test]
fn of_a_path_a_method_or_an_origin() {
    each(vec![
        (
            vec!["GET /users/octocat | a".into()],
            "GET /users/torvalds".into(),
            vec![
                "answer GET /users/torvalds too, as GET /users/octocat#a does".into(),
                "make /users/{user} of GET /users/octocat, and take any value for `user`, so that `a` answers".into(),
            ],
        ),
        (
            vec!["GET /v1/{status}/status/up | a {status=1}".into()],
            "GET /v1/1/status/down".into(),
            vec![
                "answer GET /v1/{status}/status/down too, as GET /v1/{status}/status/up#a does".into(),
                "make /v1/{status}/status/{status_2} of GET /v1/{status}/status/up, and take any value for `status_2`, so that `a` answers".into(),
            ],
        ),
        (
            vec!["GET /users/{login} | a {login=octocat}".into()],
            "PATCH /users/octocat".into(),
            vec!["answer PATCH /users/{login} too, as GET /users/{login}#a does, or make the call with GET".into()],
        ),
        (
            vec!["GET /users/{login} | a {login=octocat}".into()],
            "GET /users/octocat/".into(),
            vec![
                "answer GET /users/{login}/ too, as GET /users/{login}#a does, or correct the path in the call: /users/{login}"
                    .into(),
            ],
        ),
        (
            vec!["GET /users/{login} | a {login=octocat}".into()],
            "GET /v1/users/octocat".into(),
            vec!["answer GET /v1/users/octocat too, as GET /users/{login}#a does".into()],
        ),
        (
            vec!["GET /users/{login} | a {login=octocat}".into()],
            "GET http://a.test /users/octocat".into(),
            vec!["answer GET http://a.test/users/{login} too, as GET /users/{login}#a of https://a.test does".into()],
        ),
    ]);
}
