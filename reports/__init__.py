"""Reports: tables, figures and one HTML page, made from the store of a run and from nothing else.

They measure nothing and know no model, device or format; two reports of one store are equal.
The command line calls `reports.write.write_report` with the folder of a run.
"""
