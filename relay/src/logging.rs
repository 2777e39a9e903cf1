//! Log lines on standard error: their filter and their form.
//!
//! As JSON, a line within a trace has its id as the member `trace_id` of the line itself, as
//! OpenTelemetry's "Trace Context in non-OTLP Log Formats" wants it. As text, the line begins with
//! the span that has it.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Config, LogFormat};

/// Starts the log of this process.
pub fn start(config: &Config) {
    let filter = EnvFilter::try_new(&config.log).unwrap_or_default();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            let inner = tracing_subscriber::fmt::format().json();
            lines.json().event_format(WithTraceId(inner)).init();
        }
    }
}

/// Lines of JSON, with the trace id first if there is one.
struct WithTraceId(Format<Json>);

impl<S> FormatEvent<S, JsonFields> for WithTraceId
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(trace) = trace_id(context) else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let rest = line.strip_prefix('{').unwrap_or(&line);
        write!(writer, "{{\"trace_id\":{trace},{rest}")
    }
}

/// The trace id of the innermost span that has one, as JSON.
fn trace_id<S>(context: &FmtContext<'_, S, JsonFields>) -> Option<serde_json::Value>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    context.event_scope()?.find_map(|span| {
        let extensions = span.extensions();
        let fields = extensions.get::<FormattedFields<JsonFields>>()?;
        let mut fields: serde_json::Value = serde_json::from_str(&fields.fields).ok()?;
        fields.get_mut("trace_id").map(serde_json::Value::take)
    })
}
