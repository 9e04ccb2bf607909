//! `retake history show`: exchanges whole, and their bodies raw.

use std::io::{BufReader, Read};

use super::super::args::{HistoryShowArgs, RawPart, ShowAs};
use super::super::exit::{CliError, Exit, Outcome};
use super::super::select;
use super::style::styled;
use super::{Context, export};
use crate::model::coding::{self, DecodeError};
use crate::model::{Body, Exchange, Fields, Outcome as ExchangeOutcome};
use crate::redact::is_placeholder;
use crate::report::exchange::{self as report, Bodies, Options, View, size};
use crate::report::repeat;
use crate::report::styled::Limits;

/// Decoded bytes of a body that are read for the text.
const TEXT_LIMIT: u64 = 1 << 20;
/// Decoded bytes of a body that are read for JSON, or for all of the text.
pub(super) const WHOLE_LIMIT: u64 = 64 << 20;

pub(super) fn run(context: &Context, args: &HistoryShowArgs) -> Outcome {
    let numbers = select::numbers(&*context.history, &args.which)?;
    if let Some(part) = args.raw {
        let [number] = numbers.as_slice() else {
            return Err(CliError::usage(format!("--raw writes one body, and {} exchanges are named", numbers.len())));
        };
        return raw(context, *number, part, args.wire);
    }
    match args.form {
        Some(ShowAs::Curl) => return curl(context, &numbers),
        Some(ShowAs::Raw) => return message(context, &numbers),
        Some(ShowAs::Har) => return export::shown(context, &numbers),
        None => {}
    }
    let shown = usize::try_from(WHOLE_LIMIT).unwrap_or(usize::MAX);
    let options = Options {
        zone: context.zone.clone(),
        limits: if args.full { Limits::NONE } else { Limits::SHORT },
        hexdump: args.hexdump.map(|count| count.min(shown)),
    };
    let dumped = args.hexdump.map_or(0, |count| count as u64);
    let limit = if args.json || args.full { WHOLE_LIMIT } else { TEXT_LIMIT.max(dumped).min(WHOLE_LIMIT) };
    for (place, &number) in numbers.iter().enumerate() {
        let exchange = context.history.get(number).map_err(select::failed)?;
        let bodies = bodies(context, &exchange, limit);
        if args.json {
            context.printer.json(&report::json(&exchange, &bodies));
            continue;
        }
        if place > 0 {
            context.printer.data("");
        }
        report::show(&exchange, &bodies, &options, &mut |line| context.printer.data(styled(&line)));
    }
    Ok(Exit::SUCCESS)
}

/// Both bodies, decoded, up to a limit.
pub(super) fn bodies(context: &Context, exchange: &Exchange, limit: u64) -> Bodies {
    let request = &exchange.request;
    Bodies {
        request: view(context, exchange, &request.fields, &request.body, limit),
        response: exchange
            .outcome
            .response()
            .map_or(View::Empty, |response| view(context, exchange, &response.fields, &response.body, limit)),
    }
}

/// A body decoded, up to a limit.
fn view(context: &Context, exchange: &Exchange, fields: &Fields, body: &Body, limit: u64) -> View {
    if body.is_empty() {
        return View::Empty;
    }
    let reader = match decoded(context, exchange, fields, body) {
        Ok(reader) => reader,
        Err(why) => return View::Unreadable(why),
    };
    let mut bytes = Vec::new();
    match reader.take(limit + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > limit => {
            bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            View::Beginning(bytes)
        }
        Ok(_) => View::Whole(bytes),
        // A body that broke off cannot be decoded to its end: what there is, is shown.
        Err(_) if !body.end.is_whole() && !bytes.is_empty() => View::Beginning(bytes),
        Err(error) => View::Unreadable(format!("the body cannot be decoded: {error}")),
    }
}

/// The bytes of a body before content coding, streaming.
fn decoded(context: &Context, exchange: &Exchange, fields: &Fields, body: &Body) -> Result<Box<dyn Read>, String> {
    let stored = context.history.body(exchange, body).map_err(|error| error.to_string())?;
    let codings = report::codings(fields, body).map_err(|error: DecodeError| error.to_string())?;
    let mut reader: Box<dyn Read> = stored;
    for &coding in codings.iter().rev() {
        reader = coding::reader(coding, BufReader::new(reader)).map_err(|error| error.to_string())?;
    }
    Ok(reader)
}

/// Requests as command lines of curl.
fn curl(context: &Context, numbers: &[u64]) -> Outcome {
    for (place, &number) in numbers.iter().enumerate() {
        let (exchange, body) = repeatable(context, number)?;
        if place > 0 {
            context.printer.data("");
        }
        context.printer.data(repeat::curl(&exchange.request, &body));
    }
    Ok(Exit::SUCCESS)
}

/// One request as the bytes of HTTP/1.1.
fn message(context: &Context, numbers: &[u64]) -> Outcome {
    let [number] = numbers else {
        return Err(CliError::usage(format!("`--as raw` writes one request, and {} are named", numbers.len())));
    };
    let (exchange, body) = repeatable(context, *number)?;
    let request = &exchange.request;
    if request.fields.iter().any(|field| is_placeholder(&field.text())) || request.body.masked > 0 {
        context.printer.warn("masked values stand as placeholders: put the real ones in their place");
    }
    let written = context.printer.bytes(&repeat::raw(request, &body));
    written.map_err(|error| CliError::failure(format!("stdout: {error}")))?;
    Ok(Exit::SUCCESS)
}

/// An exchange whose request can be made again, and the request's body.
fn repeatable(context: &Context, number: u64) -> Result<(Exchange, Vec<u8>), CliError> {
    let exchange = context.history.get(number).map_err(select::failed)?;
    if let ExchangeOutcome::Relayed(_) = exchange.outcome {
        let message = format!("exchange {number} was relayed without a look inside: there is no request to repeat");
        return Err(CliError::usage(message));
    }
    let body = sent(context, &exchange)?;
    Ok((exchange, body))
}

/// The request's body as it is stored, whole.
fn sent(context: &Context, exchange: &Exchange) -> Result<Vec<u8>, CliError> {
    let body = &exchange.request.body;
    let mut bytes = Vec::new();
    if body.size > WHOLE_LIMIT {
        let message = format!("the request's body has {}, too much for one command", size(body.size));
        let hint = format!("`retake history show {} --raw request-body --wire` writes it to a file", exchange.number);
        return Err(CliError::usage(message).hint(hint));
    }
    let mut reader = context.history.body(exchange, body).map_err(select::failed)?;
    reader.read_to_end(&mut bytes).map_err(|error| CliError::failure(format!("the request's body: {error}")))?;
    Ok(bytes)
}

fn raw(context: &Context, number: u64, part: RawPart, wire: bool) -> Outcome {
    let exchange = context.history.get(number).map_err(select::failed)?;
    let (fields, body) = match part {
        RawPart::RequestBody => (&exchange.request.fields, &exchange.request.body),
        RawPart::ResponseBody => match exchange.outcome.response() {
            Some(response) => (&response.fields, &response.body),
            None => return Err(CliError::usage(format!("exchange {number} has no response"))),
        },
    };
    if wire && let Some(coding) = &body.coding_removed {
        context.printer.warn(format_args!(
            "the bytes as carried were not kept: {coding} was removed so that the body could be masked"
        ));
    }
    let mut reader: Box<dyn Read> = if wire {
        context.history.body(&exchange, body).map_err(select::failed)?
    } else {
        decoded(context, &exchange, fields, body).map_err(|why| undecodable(number, &why))?
    };
    let mut piece = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(Exit::SUCCESS),
            Ok(count) => {
                context
                    .printer
                    .bytes(&piece[..count])
                    .map_err(|error| CliError::failure(format!("stdout: {error}")))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(undecodable(number, &error.to_string())),
        }
    }
}

fn undecodable(number: u64, why: &str) -> CliError {
    CliError::failure(format!("the body of exchange {number} cannot be decoded: {why}"))
        .hint("`--wire` writes it as carried")
}
