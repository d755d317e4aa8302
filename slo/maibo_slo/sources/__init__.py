"""Sources of SLOs' counts other than cells: what `maibo_slo.engine.feeding` asks. A plugin may bring further ones (`Plugin.sli_source`)."""
